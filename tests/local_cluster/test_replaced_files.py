"""`make cluster` where something else is in the place of its files: told in one line, and nobody's files removed."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resablate.checkups import Scope
from resablate.checkups.clusters import clusters
from resablate.local_cluster import cluster
from resablate.local_cluster.__main__ import main
from resablate.local_cluster.ray_folder import ray_folder
from resablate.local_cluster.service import damaged_records
from resablate.local_cluster.settings import Settings, read_ports

PORTS = {"postgres": 5432, "mlflow": 5000, "ray": 6379, "ray_client": 10001, "dashboard": 8265}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a cluster that ran; nothing is started, so that PostgreSQL and Ray are not needed."""
    monkeypatch.setattr(cluster, "_check_machine", lambda: None)
    monkeypatch.setattr(cluster, "SERVICES", {})
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    folder = tmp_path / ".cluster"
    Settings(folder, kept=[])
    return folder


def precious(place: Path) -> Path:
    (place / "deep").mkdir(parents=True)
    (place / "deep" / "thesis").write_text("years of work")
    return place


def told(scope: Path) -> dict[str, str]:
    """What `doctor` says of the cluster of this folder: name -> what is wrong and what mends it."""
    found = clusters(Scope(None, "memory:", [], scope))
    return {str(Path(place).name): f"{problem}; {remedy}" for place, problem, remedy, _ in found}


def refused(verb: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit, match="2"):
        main([verb, "--folder", str(folder)])
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_ray_s_folder_goes_with_its_link(folder: Path) -> None:
    made = ray_folder(folder)
    assert ray_folder(folder) == made
    assert made.parent == folder.parent / "temporary"
    (made / "ray-head").mkdir()
    assert told(folder) == {}
    main(["down", "--folder", str(folder)])
    assert not made.exists()
    assert not os.path.lexists(folder / "ray")
    (folder / "ray").symlink_to(made)
    main(["down", "--folder", str(folder)])
    assert not os.path.lexists(folder / "ray"), "the machine has cleared what it led to"


def test_ray_s_folder_is_known_by_another_way_to_the_cluster_s(folder: Path) -> None:
    made = ray_folder(folder)
    (folder.parent / "way").symlink_to(folder)
    main(["down", "--folder", str(folder.parent / "temporary" / ".." / "way")])
    assert not made.exists()


def _elsewhere(folder: Path) -> Path:
    return precious(folder.parent / "precious")


def _like_its_own(folder: Path) -> Path:
    return precious(folder.parent / "temporary" / "resablate-abcdefgh")


def _of_another_cluster(folder: Path) -> Path:
    Settings(folder.parent / "other", kept=[])
    return precious(ray_folder(folder.parent / "other") / "data").parent


@pytest.mark.parametrize("verb", ["down", "clean"])
@pytest.mark.parametrize("make", [_elsewhere, _like_its_own, _of_another_cluster])
def test_what_the_cluster_did_not_make_is_not_removed(
    folder: Path, make: Callable[[Path], Path], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = make(folder)
    (folder / "ray").symlink_to(target)
    assert (
        told(folder)["ray"]
        == f"it leads to {target}, which no cluster made for it; make cluster-down removes the link alone"
    )
    main([verb, "--folder", str(folder)])
    assert [file.read_text() for file in target.rglob("thesis")] == ["years of work"]
    assert not os.path.lexists(folder / "ray")
    assert (
        f"{folder / 'ray'}: it leads to {target}, which no cluster made for it; the link alone"
        in capsys.readouterr().out
    )


def test_a_link_to_a_link_removes_neither_s_files(folder: Path) -> None:
    target = precious(folder.parent / "precious")
    (target / "resablate-cluster").write_text(str(folder / "ray"))
    link = folder.parent / "temporary" / "resablate-abcdefgh"
    link.symlink_to(target)
    (folder / "ray").symlink_to(link)
    main(["down", "--folder", str(folder)])
    assert (target / "deep" / "thesis").exists()


def test_ray_writes_nothing_where_a_foreign_link_leads(folder: Path) -> None:
    target = precious(folder.parent / "precious")
    (folder / "ray").symlink_to(target)
    made = ray_folder(folder)
    assert made.parent == folder.parent / "temporary"
    assert [path.name for path in target.iterdir()] == ["deep"]


def test_a_folder_in_the_place_of_the_link_is_left_and_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious(folder / "ray")
    assert told(folder) == {"ray": "it is in the place of the link to Ray's files; move it away"}
    said = refused("down", folder, capsys)
    assert said == f"{folder / 'ray'}: must be a link to the folder of Ray's files, and is none; move it away"
    assert (folder / "ray" / "deep" / "thesis").exists()


@pytest.mark.parametrize(
    "port", ["99999", "0", "-1", "Infinity", "1e400", "NaN", "true", "5432.0", '"5432"', "null", "5000", "9" * 5000]
)
def test_what_is_no_port_is_chosen_anew(folder: Path, port: str) -> None:
    text = json.dumps(PORTS).replace("5432", port)
    (folder / "ports.json").write_text(text)
    assert read_ports(folder) is None
    assert told(folder) == {
        "ports.json": "it is cut off or damaged, or names what is no port; make cluster chooses ports anew"
    }
    main(["up", "--folder", str(folder)])
    ports = read_ports(folder)
    assert ports is not None
    assert ports.keys() == PORTS.keys()


def _folder(file: Path) -> None:
    precious(file)


def _pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize("replace", [_folder, _pipe])
def test_something_else_in_the_place_of_the_ports(
    folder: Path, replace: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "ports.json"
    file.unlink()
    replace(file)
    assert told(folder).keys() == {"ports.json"}
    if replace is _pipe:  # which holds nothing that could be lost
        main(["up", "--folder", str(folder)])
        assert told(folder) == {}
        return
    said = refused("up", folder, capsys)
    assert said == f"{file}: cannot be written (Is a directory); move away what is in its place, or make room"
    assert (file / "deep" / "thesis").exists()
    main(["down", "--folder", str(folder)])


SECRETS = {
    "is no text": lambda file: file.write_bytes(b"\xff\xfe" * 9),
    "cannot be read (Is a directory)": _folder,
    "cannot be read (it is not a regular file)": _pipe,
    "cannot be read (No such file or directory)": lambda file: file.symlink_to("nowhere"),
    "is empty": lambda file: file.write_text(" \n"),
    "must be one line of printable ASCII characters": lambda file: file.write_text("a\0b"),
}


@pytest.mark.parametrize("problem", SECRETS)
@pytest.mark.parametrize("name", ["ray_token", "postgres"])
def test_something_else_in_the_place_of_a_secret(
    folder: Path, problem: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "secrets" / name
    file.unlink()
    SECRETS[problem](file)
    remedy = "put back the secret that was there, or remove all: make cluster-clean"
    assert told(folder) == {name: f"it {problem}; {remedy}"}
    assert refused("up", folder, capsys) == f"{file}: {problem}; {remedy}"
    main(["down", "--folder", str(folder)])


def test_other_files_beside_the_secrets_are_no_secrets(folder: Path) -> None:
    for name in ("pgpass", "ray_token.partial", "notes"):
        (folder / "secrets" / name).write_text("")
    assert told(folder) == {}
    main(["up", "--folder", str(folder)])


@pytest.mark.parametrize("name", [".cluster", "processes", "home", "processes/lock"])
def test_something_else_in_the_place_of_a_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_check_machine", lambda: None)
    monkeypatch.chdir(tmp_path)
    place = tmp_path / name if name == ".cluster" else tmp_path / ".cluster" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith("lock"):
        place.mkdir()
    else:
        place.write_text("")
    monkeypatch.setattr(cluster, "SERVICES", {"service": lambda settings: settings})
    said = refused("up", tmp_path / ".cluster", capsys)
    assert ": cannot be used (" in said
    assert (told(tmp_path) == {".cluster": "it is no folder; move it away"}) is (name == ".cluster")


@pytest.mark.parametrize(
    "damage",
    [{"pid": True}, {"began": 1.5}, {"stop_signal": 15.0}, {"stop_signal": 10**30}, {"mark": "\ud800"}, {"mark": 5}],
)
def test_a_record_of_what_no_process_has_is_damaged(folder: Path, damage: dict[str, object]) -> None:
    record = folder / "processes" / "mlflow.json"
    whole = {"pid": 10**7, "began": 1, "mark": "a b", "stop_signal": 15}
    record.write_text(json.dumps(whole))
    assert damaged_records(folder / "processes") == []
    record.write_text(json.dumps(whole | damage))
    assert damaged_records(folder / "processes") == [record]


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "processes" / "mlflow.json")
    assert told(folder).keys() == {"mlflow.json"}
