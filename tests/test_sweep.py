import json
import math
from pathlib import Path
from typing import Any

import pytest

from resablate.errors import SpecError
from resablate.spec import TrainSpec
from resablate.sweep import Range, SweepSpec, load_sweep, merge, parse_sweep


def write(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def make_sweep(**content: Any) -> SweepSpec:
    return parse_sweep({"name": "x", **content})


FILE = """
# A question
name: shapes
base: {ordering: full_preactivation, learning_rate: 1e-4}
axes:
  shortcut: [identity, exclusive_gate]
  shortcut_args.bias: [-3, -6.0, 1e-2]
  sv_strength: [0, 1e-3]
search: {method: grid}
resources: {cpus: 2, gpus: 0.25}
"""


def test_a_file_becomes_points_with_the_last_axis_fastest(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, FILE))
    points = list(sweep.points())
    assert len(points) == sweep.grid_size == 2 * 3 * 2
    assert points[0] == {"shortcut": "identity", "shortcut_args.bias": -3.0, "sv_strength": 0.0}
    assert points[1] == {"shortcut": "identity", "shortcut_args.bias": -3.0, "sv_strength": 0.001}
    assert points[-1] == {"shortcut": "exclusive_gate", "shortcut_args.bias": 0.01, "sv_strength": 0.001}


def test_a_number_that_yaml_reads_as_text_is_a_number(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, FILE))
    values = [value for name in ("shortcut_args.bias", "sv_strength") for value in sweep.axes[name]]
    assert all(type(value) is float for value in values)
    assert sweep.trial({}).learning_rate == 1e-4


def test_a_point_changes_the_base() -> None:
    sweep = make_sweep(base={"depth": 56, "shortcut_args": {"carried_factor": 0.3}}, axes={"seed": [1, 2]})
    trial = sweep.trial({"seed": 2, "shortcut_args.added_factor": 1.0})
    assert (trial.depth, trial.seed) == (56, 2)
    assert trial.shortcut_args == {"carried_factor": 0.3, "added_factor": 1.0}
    assert sweep.base["shortcut_args"] == {"carried_factor": 0.3}, "the base itself is left alone"


def test_merge_leaves_its_arguments_alone() -> None:
    base: dict[str, Any] = {"shortcut_args": {"a": 1}, "depth": 20}
    assert merge(base, {"shortcut_args.b": 2, "depth": 26}) == {"shortcut_args": {"a": 1, "b": 2}, "depth": 26}
    assert base == {"shortcut_args": {"a": 1}, "depth": 20}


def test_a_sweep_without_axes_is_one_trial() -> None:
    sweep = make_sweep()
    assert list(sweep.points()) == [{}]
    assert sweep.trial({}) == TrainSpec()


def test_empty_blocks_of_yaml_mean_nothing(tmp_path: Path) -> None:
    assert list(load_sweep(write(tmp_path, "name: x\nbase:\naxes:\n")).points()) == [{}]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"axes": {"seed": [0, 1], "milestones": [[0.5], []], "train_examples": [None, 5]}},
        {"axes": {"learning_rate": {"low": 1e-3, "high": 1, "log": True}}, "search": {"method": "random", "trials": 3}},
        {"base": {"depth": 26}, "resources": {"cpus": 0.5, "gpus": 1}},
    ],
)
def test_a_sweep_survives_json(content: dict[str, Any]) -> None:
    sweep = make_sweep(**content)
    again = SweepSpec.model_validate_json(sweep.model_dump_json())
    assert again.model_dump(mode="json") == sweep.model_dump(mode="json")
    if not any(isinstance(values, Range) for values in sweep.axes.values()):
        assert [again.trial(point) for point in again.points()] == [sweep.trial(point) for point in sweep.points()]


def test_one_mistake_in_one_value_is_one_line() -> None:
    with pytest.raises(SpecError) as caught:
        make_sweep(axes={"shortcut_args.bias": [-3, [1]]}, resources={"gpus": "lots"})
    assert len(caught.value.problems) == 2


def test_a_sweep_from_json_can_be_parsed_again() -> None:
    sweep = make_sweep(axes={"shortcut_args.bias": [-3, -6], "milestones": [[0.5], [0.2, 0.4]]})
    assert parse_sweep(json.loads(sweep.model_dump_json())) == sweep


def test_a_range_may_be_an_argument() -> None:
    assert make_sweep(axes={"shortcut_args.bias": {"low": -6, "high": "0"}}).axes == {
        "shortcut_args.bias": Range(low=-6, high=0)
    }


def test_resources_auto() -> None:
    assert make_sweep(resources="auto").resources.gpus == "auto"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"axes": {"sv_strenght": [1]}}, r"axes.sv_strenght: not a trial field; did you mean 'sv_strength'.*\? \(fields: "),
    ({"axes": {"depth": [20, 0]}}, "axes.depth: input should be greater than or equal to 1, got 0"),
    ({"axes": {"seed": []}}, "axes.seed: .*list of values or a range {low, high, log}, got an empty list"),
    ({"axes": {"seed": None}}, "axes.seed: .*got None"),
    ({"axes": {"shortcut": "identity"}}, "axes.shortcut: .*got 'identity'"),
    ({"axes": {"seed": [0, 1, 0]}}, "axes.seed: every value once; 0 is there again"),
    ({"axes": {"shortcut_args.bias": [-6, -6.0, "-6e0"]}}, "axes.shortcut_args.bias: every value once; -6.0, -6.0"),
    ({"axes": {"shortcut_args.bias": [[1]]}}, r"axes.shortcut_args.bias: .*number.*got \[1\]"),
    ({"axes": {"depth.bias": [1]}}, "axes.depth.bias: not a trial field"),
    ({"axes": {"shortcut_args.": [1]}}, "axes.shortcut_args.: not a trial field"),
    ({"axes": {1: [1]}}, "axes.1: not a trial field"),
    ({"axes": {True: [1]}}, "axes.True: not a trial field"),
    ({"axes": {"seed": [1]}, "base": {"seed": 2}}, "axes.seed: also set in base; write it in one place"),
    ({"axes": [1]}, r"axes: must be a mapping from field to value, got \[1\]"),
    ({"base": "x"}, "base: must be a mapping from field to value, got 'x'"),
    ({"base": {"shorcut": "none"}}, "base.shorcut: no such field; did you mean 'shortcut'"),
    ({"base": {"float": 1}}, "base.float: no such field"),
    ({"base": {"depth": 0}}, "base.depth: input should be"),
    ({"base": {3: 1}}, "base.3: no such field"),
    ({"axes": {"learning_rate": {"low": 1, "high": 1}}}, "axes.learning_rate: low < high must hold, .*low=1.0, high=1"),
    ({"axes": {"learning_rate": {"low": 2, "high": 1}}}, "axes.learning_rate: low < high must hold"),
    ({"axes": {"sv_strength": {"low": 0, "high": 1, "log": True}}}, r"axes.sv_strength: 0 < low < high \(log\)"),
    ({"axes": {"learning_rate": {"low": 0.1}}}, "axes.learning_rate.high: field required"),
    ({"axes": {"learning_rate": {"low": 0.1, "high": 1, "lg": True}}}, "axes.learning_rate.lg: no such field"),
    ({"axes": {"learning_rate": {"low": 0.1, "high": math.inf}}}, "axes.learning_rate.high: .*finite.*got inf"),
    ({"axes": {"momentum": {"low": 0, "high": 1}}}, "axes.momentum: .*less than 1, got 1.0"),
    ({"axes": {"shortcut": {"low": 0, "high": 1}}}, "axes.shortcut: .*string"),
    ({"serch": {}}, "serch: no such field; did you mean 'search'"),
    ({"search": {"method": "grid", "trails": 3}}, "search.trails: no such field"),
    ({"search": {"trials": 0}}, "search.trials: .*greater than or equal to 1, got 0"),
    ({"resources": {"cpus": 0}}, "resources.cpus: .*greater than 0, got 0"),
    ({"resources": {"cpus": math.inf}}, "resources.cpus: .*finite number, got inf"),
    ({"resources": {"gpus": -1}}, "resources.gpus: .*greater than or equal to 0 or .*'auto', got -1"),
    ({"resources": {"gpus": "lots"}}, "resources.gpus: .*'auto', got 'lots'"),
    ({"name": ""}, "name: .*got ''"),
    ({"name": "a" * 101}, "name: .*at most 100 characters"),
    ({"name": 7}, "name: .*string, got 7"),
]


@pytest.mark.parametrize(("content", "message"), MISTAKES, ids=[str(content) for content, _ in MISTAKES])
def test_a_mistake_is_named_with_place_rule_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^here: \d problems?\n  {message}") as caught:
        parse_sweep({"name": "x", **content}, place="here")
    assert len({problem.partition(":")[0] for problem in caught.value.problems}) == 1


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", ".", "..", ".hidden", "-rf", "a b", "x\n", "$(x)", "\x00", "ä"]
)
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="name: string should match pattern"):
        parse_sweep({"name": name})


def test_a_name_is_needed() -> None:
    with pytest.raises(SpecError, match="name: field required"):
        parse_sweep({"axes": {"seed": [1]}})


def test_all_mistakes_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_sweep(
            {"nam": "x", "base": {"depth": 0, "shorcut": "a"}, "axes": {"sed": [1], "width": [], "epochs": [0, -1]}},
            place="sweeps/x.yaml",
        )
    starts = ["base.depth", "base.shorcut", "axes.sed", "axes.width", "axes.epochs", "axes.epochs", "name", "nam"]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == starts
    assert str(caught.value).startswith("sweeps/x.yaml: 8 problems\n  base.depth: input")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\naxes:\n  seed: [0, 1\nbase: {}\n", r"x.yaml: 1 problem\n  line 4, column 5: not valid YAML: "),
        ("name: x\n\tbase: {}\n", "line 2, column 1: not valid YAML"),
        ("name: x\nbase:\n  depth: 20\n  depth: 26\n", "line 4, column 3: not valid YAML: 'depth' is written twice"),
        ("name: x\naxes: {seed: [1], seed: [2]}\n", "line 2, column 19: not valid YAML: 'seed' is written twice"),
        ("? [a, b]\n: 1\n", r"line 1, column 3: not valid YAML: \['a', 'b'\] cannot be a key"),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1, column 7: not valid YAML: could not determine"),
        ("name: &a [*a]\n", "line 1, column 7: not valid YAML: .*recursive"),
        ("name: \x00\n", "not valid YAML: unacceptable character"),
        ("{" * 3000, "nested too deeply"),
        ("", "a sweep is a mapping with name, base and axes, but this file is empty"),
        ("- 1\n", "but this file is a list"),
        ("quickstart\n", "but this file is a str"),
    ],
)
def test_a_file_that_is_no_sweep(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_sweep(write(tmp_path, text))


def test_a_missing_file_names_its_neighbors(tmp_path: Path) -> None:
    write(tmp_path, FILE, "quickstart.yaml")
    with pytest.raises(SpecError, match=r"quikstart.yaml: no such sweep file; did you mean '.*quickstart.yaml'\?"):
        load_sweep(tmp_path / "quikstart.yaml")
    with pytest.raises(SpecError, match=r"no such sweep file$"):
        load_sweep(tmp_path / "nowhere" / "x.yaml")


def test_a_folder_and_a_binary_file_are_no_sweeps(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not readable as a text file"):
        load_sweep(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"b.yaml: not readable as a text file"):
        load_sweep(tmp_path / "b.yaml")


def test_a_label_names_every_axis() -> None:
    sweep = make_sweep(
        base={"depth": 56}, axes={"shortcut": ["identity", "dropout"], "learning_rate": [0.1, 0.2], "seed": [0, 1]}
    )
    labels = [sweep.label(sweep.trial(point)) for point in sweep.points()]
    assert len(set(labels)) == 8
    assert labels[0] == "identity learning_rate 0.1 seed 0"
    arguments = make_sweep(base={"shortcut": "dropout"}, axes={"shortcut_args.rate": [0.1, 0.2]})
    assert [arguments.label(arguments.trial(point)) for point in arguments.points()] == [
        "dropout rate 0.1",
        "dropout rate 0.2",
    ]
    alone = make_sweep()
    assert alone.label(alone.trial({})) == alone.trial({}).label()


def test_a_whole_value_comes_before_its_arguments() -> None:
    point = {"shortcut_args.b": 2, "shortcut_args": {"a": 1}}
    assert merge({}, point) == {"shortcut_args": {"a": 1, "b": 2}}


def test_yaml_anchors_can_be_merged(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\nbase: &b {depth: 20}\naxes: {}\nsearch: grid\nresources:\n")
    assert load_sweep(file).search.method == "grid"
    file.write_text("name: x\nbase:\n  <<: {depth: 26, width: 4}\n  depth: 20\n")
    assert load_sweep(file).base == {"depth": 20, "width": 4}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"gpu": 1}, r"resources\.gpu: no such field; did you mean 'gpus'\? \(fields: cpus, gpus, gpu_memory_gib\)"),
        ({"gpus": 1.5}, r"resources\.gpus: a part of one GPU or whole ones, got 1\.5"),
        ({"cpus": True}, r"resources\.cpus: must be a number, got True"),
    ],
)
def test_resources_that_cannot_be_are_refused(resources: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_sweep(resources=resources)


def test_a_date_that_there_is_not_is_a_problem_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\naxes: {seed: [2020-13-45]}\n")
    with pytest.raises(SpecError, match=r"not valid YAML: month must be in 1..12"):
        load_sweep(file)
