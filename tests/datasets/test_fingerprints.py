"""What data sets are told apart by: their content, wherever it lies."""

import builtins
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import resablate.datasets as module
from resablate.component import Component
from resablate.datasets import DATASETS, Examples, ImageDataset, Splits, fingerprints, load_dataset
from resablate.datasets.fingerprints import folder_fingerprint
from resablate.errors import DatasetError
from resablate.plan import SweepPlan, plan_sweep
from resablate.question import Question
from resablate.spec import DATA_MARK, TrainSpec
from resablate.sweep import SweepSpec
from resablate.trial import Trial, run_trial
from resablate.trial_data import data_notes
from tests.datasets.idx_files import make_arrays, write_files
from tests.datasets.image_files import write_folder
from tests.datasets.unpublished import unpublished_files


@pytest.fixture(autouse=True)
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home of the test's own, and no data set of another test in memory."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    module._load.cache_clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "images", {"train": 3, "val": 2})


def of_folder(folder: Path) -> str:
    """Read anew, as another process does."""
    return DATASETS["image_folder"].load(folder).fingerprint()


def stored() -> ImageDataset:
    loaded = DATASETS["digits"].load(None)
    assert isinstance(loaded, ImageDataset)
    return loaded


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_it_is_of_the_content_and_the_same_at_every_load(name: str) -> None:
    one, two = (DATASETS[name].load(None).fingerprint() for _ in range(2))
    assert one == two
    assert len(one) == 16
    assert int(one, 16) >= 0


def test_the_digits_keep_their_fingerprint() -> None:
    """Keys depend on it. The bytes are scikit-learn's, rounded from 17 levels: the same on every machine."""
    assert stored().fingerprint() == "14f4e147b9de5967"


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_one_pixel_or_label_makes_other_data(part: str) -> None:
    data = stored()
    changed = getattr(data, part).clone()
    changed.view(-1)[17] += 1
    assert replace(data, **{part: changed}).fingerprint() != data.fingerprint()


def test_the_shape_counts_as_well_as_the_bytes() -> None:
    data = stored()
    assert replace(data, train_images=data.train_images.transpose(2, 3)).fingerprint() != data.fingerprint()
    flat = replace(data, train_images=data.train_images.view(-1, 1, 4, 16))
    assert flat.fingerprint() != data.fingerprint()


def test_the_layout_in_memory_does_not_count() -> None:
    data = stored()
    strided = data.train_images.transpose(0, 3).contiguous().transpose(0, 3)
    assert not strided.is_contiguous()
    assert replace(data, train_images=strided).fingerprint() == data.fingerprint()


def test_files_elsewhere_or_zipped_are_the_same_data(tmp_path: Path) -> None:
    load = DATASETS["fashion_mnist"].load
    plain, zipped = write_files(tmp_path / "a"), write_files(tmp_path / "b" / "FashionMNIST" / "raw", zipped=True)
    arrays = make_arrays()
    arrays[1][0] = 1 + arrays[1][0]
    with unpublished_files():
        assert load(plain).fingerprint() == load(zipped.parents[1]).fingerprint()
        assert load(write_files(tmp_path / "c", arrays)).fingerprint() != load(plain).fingerprint()


def test_a_folder_elsewhere_is_the_same_data(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)  # other times of modification
    (tmp_path / "link").symlink_to(folder)
    assert of_folder(folder) == of_folder(tmp_path / "copy") == of_folder(tmp_path / "link")


def _rename(folder: Path) -> None:
    (folder / "train/ant/ant_0.JPEG").rename(folder / "train/ant/ant_9.JPEG")


def _rename_class(folder: Path) -> None:
    for part in ("train", "val"):
        (folder / part / "cat").rename(folder / part / "cow")


def _append(folder: Path) -> None:
    path = folder / "val/bee/bee_1.JPEG"
    path.write_bytes(path.read_bytes() + b"\0")


def _change_a_byte_at(place: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "train/cat/cat_2.JPEG"
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)

    return change


def _swap_two(folder: Path) -> None:
    one, two = (folder / f"train/{name}/{name}_0.JPEG" for name in ("ant", "bee"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _remove(folder: Path) -> None:
    (folder / "val/ant/ant_1.JPEG").unlink()


def _add(folder: Path) -> None:
    shutil.copy(folder / "val/ant/ant_1.JPEG", folder / "val/ant/ant_7.JPEG")


@pytest.mark.parametrize(
    "change",
    [_rename, _rename_class, _append, _change_a_byte_at(300), _change_a_byte_at(-3), _swap_two, _remove, _add],
)
def test_name_size_or_content_of_an_image_makes_other_data(change: Callable[[Path], None], folder: Path) -> None:
    before = of_folder(folder)
    change(folder)
    assert of_folder(folder) != before


def test_what_is_no_image_does_not_count(folder: Path) -> None:
    before = of_folder(folder)
    (folder / "train" / "ant" / "LICENSE.txt").write_text("no image")
    (folder / "readme.md").write_text("none either")
    assert of_folder(folder) == before


@pytest.mark.parametrize(
    ("name", "size", "whole_bytes", "counts"),
    [
        ("a.jpg", 20_000, 20_000, True),
        ("a.jpg", 20_000, 19_999, False),
        ("a.png", 8192, 0, True),
        ("a.png", 8193, 0, True),
        ("a.BMP", 20_000, 0, True),
        ("a.tiff", 20_000, 0, True),
    ],
)
def test_the_middle_counts_but_for_large_folders_of_compressed_images(  # noqa: PLR0917 - parameters of a table
    name: str, size: int, whole_bytes: int, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte of little data and of formats that do not compress; else 4096 at each end."""
    monkeypatch.setattr(fingerprints, "_WHOLE_BYTES", whole_bytes)
    content = bytearray(size)

    def fingerprint() -> str:
        (tmp_path / name).write_bytes(content)
        return folder_fingerprint(tmp_path, [name.encode()], ["one"])

    before = fingerprint()
    for place, seen in ((0, True), (4095, True), (size - 4096, True), (size - 1, True), (size // 2 - 1, counts)):
        content[place] ^= 1
        assert (fingerprint() != before) is seen, place
        content[place] ^= 1
    assert fingerprint() == before


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that are opened."""
    seen: list[str] = []
    plain = builtins.open

    def watched(file: Any, *args: Any, **keywords: Any) -> Any:
        seen.append(Path(os.fsdecode(file)).name)
        return plain(file, *args, **keywords)

    monkeypatch.setattr("builtins.open", watched)
    return seen


def test_nothing_is_read_the_second_time(folder: Path, opened: list[str]) -> None:
    first = of_folder(folder)
    assert len(opened) == 15, "every image once"
    opened.clear()
    assert of_folder(folder) == first
    assert not opened


def test_a_file_that_was_touched_is_read_again(folder: Path, opened: list[str]) -> None:
    first = of_folder(folder)
    opened.clear()
    path = folder / "train/bee/bee_0.JPEG"
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert of_folder(folder) == first, "the same content still"
    assert path.name in opened
    opened.clear()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 2))
    opened.clear()
    assert of_folder(folder) != first
    assert path.name in opened


def test_one_load_computes_it_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DATASETS["image_folder"].load(folder)
    first = data.fingerprint()
    shutil.rmtree(folder)
    assert data.fingerprint() == first


@pytest.mark.parametrize("kind", ["file", "full"])
def test_where_nothing_can_be_kept_it_goes_on_with_a_warning(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = of_folder(folder)
    shutil.rmtree(tmp_path / "home")
    if kind == "file":
        (tmp_path / "home").write_text("no folder")
    else:
        write = Path.write_text

        def full(path: Path, *args: Any, **keywords: Any) -> int:
            if path.suffix == ".partial":
                raise OSError(28, "No space left on device")
            return write(path, *args, **keywords)

        monkeypatch.setattr(Path, "write_text", full)
    with caplog.at_level(logging.WARNING):
        assert of_folder(folder) == kept
    (message,) = [record.getMessage() for record in caplog.records]
    assert f"the fingerprint of {folder} is not kept and is made again next time" in message
    assert of_folder(folder) == kept


@pytest.mark.parametrize("content", ["", "half a fingerp", "no hash at all!!"])
def test_what_was_kept_and_is_damaged_is_made_again(content: str, folder: Path, tmp_path: Path) -> None:
    kept = of_folder(folder)
    (file,) = (tmp_path / "home").rglob("fingerprints/*")
    file.write_text(content)
    assert of_folder(folder) == kept
    assert file.read_text() == kept


# In keys and trials

FIELDS = {"dataset.train_crop": 32, "dataset.val_fraction": 0.3, "depth": 8, "width": 2, "epochs": 1, "batch_size": 4}


def plan_of(*, axes: dict[str, Any] | None = None, **base: Any) -> SweepPlan:
    fields = {"name": "data", "question": "?", "base": {"dataset": "image_folder", **FIELDS, **base}}
    return plan_sweep(SweepSpec.model_validate({**fields, "axes": axes or {"seed": [0, 1]}}))


def keys(plan: SweepPlan) -> list[str]:
    return [spec.key for spec in plan.trials]


def test_the_same_data_elsewhere_are_the_same_trials(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    plan = plan_of()
    here, there = plan.identified(folder), plan.identified(tmp_path / "copy")
    assert keys(here) == keys(there)
    assert len({*keys(here), *keys(plan)}) == 4, "a key without data is no key of a training"
    assert here.trials[0].dataset.identity == f"{DATA_MARK}{of_folder(folder)}"


def test_other_data_are_other_trials(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "other")
    _append(tmp_path / "other")
    plan = plan_of()
    assert not {*keys(plan.identified(folder))} & {*keys(plan.identified(tmp_path / "other"))}


def test_every_data_set_of_a_sweep_gets_its_own(folder: Path) -> None:
    plan = plan_of(axes={"dataset": ["image_folder", "digits", "synthetic"]}, width=4)
    assert {spec.dataset.name: spec.dataset.identity for spec in plan.identified(folder).trials} == {
        name: DATA_MARK + load_dataset(name, folder).fingerprint() for name in ("image_folder", "digits", "synthetic")
    }


def test_points_that_a_search_proposes_are_of_the_data_too(folder: Path) -> None:
    plan = plan_of().identified(folder)
    (proposed,) = plan.point_trials({"seed": 1})
    assert proposed == plan.trials[1]


def test_a_trial_on_other_data_than_its_key_s_is_refused(folder: Path, tmp_path: Path) -> None:
    (spec, _) = plan_of().identified(folder).trials
    shutil.copytree(folder, tmp_path / "other")
    _append(tmp_path / "other")
    names = f"fingerprint {of_folder(tmp_path / 'other')}, but the trial {spec.key} is of data with {of_folder(folder)}"
    with pytest.raises(
        DatasetError, match=f"^image_folder: the data found have the {names}; .* --data-root or .RESABL"
    ):
        Trial(spec, data_root=tmp_path / "other", device=torch.device("cpu"))
    result = run_trial(spec, [Question(Component("test"))], data_root=folder)
    assert (result.status, result.key) == ("finished", spec.key)


def test_a_trial_whose_data_nobody_named_takes_what_there_is(folder: Path) -> None:
    (spec, _) = plan_of().trials
    assert not spec.dataset.identity
    assert Trial(spec, data_root=folder).splits.num_classes == 3


def test_data_of_another_package_keep_its_name_beside_the_fingerprint(folder: Path) -> None:
    plan = plan_of()
    foreign = [
        spec.model_copy(update={"dataset": replace(spec.dataset, identity="their-images 1.0 0123")})
        for spec in plan.trials
    ]
    (spec, _) = replace(plan, trials=tuple(foreign)).identified(folder).trials
    assert spec.dataset.identity == f"their-images 1.0 0123 {DATA_MARK}{of_folder(folder)}"
    assert Trial(spec, data_root=folder).splits.num_classes == 3


def test_check_says_which_data_are_not_here_and_fetches_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **keywords: object) -> None:
        raise AssertionError("downloads")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", refuse)
    datasets = [Component(name) for name in ("cifar10", "image_folder", "digits")]
    (cifar,) = data_notes(datasets, folder)
    assert cifar.startswith(f"data: cifar10 is not usable here (not found in {folder / 'cifar-10-batches-py'}, ")
    assert cifar.endswith("keys hold the fingerprint of the data, so they are made where the sweep runs")
    assert len(data_notes(datasets, None)) == 2
    with pytest.raises(DatasetError, match="could not download it"):
        load_dataset("cifar10", tmp_path)


def test_tilde_and_variables_in_the_folder_of_the_data(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PICTURES", str(folder))
    for written in ("~/images", "$PICTURES", "${PICTURES}/../images"):
        assert load_dataset("image_folder", Path(written)).fingerprint() == of_folder(folder)
        monkeypatch.setenv("RESABLATE_DATA", written)
        assert DATASETS["image_folder"].load(None).fingerprint() == of_folder(folder)


# Arguments


def split_of(dataset: dict[str, Any], data_root: Path | None = None) -> Splits:
    fields = {name: value for name, value in FIELDS.items() if "." not in name}
    return Trial(TrainSpec.parse({**fields, "dataset": dataset}), data_root=data_root).splits


def test_the_arguments_of_a_data_set_reach_its_split(folder: Path) -> None:
    splits = split_of({"name": "digits", "train_examples": 100, "val_fraction": 0.25})
    assert (len(splits.train), len(splits.val)) == (75, 25)
    for name, shape in (("per_channel", (1, 1, 1)), ("per_pixel", (1, 8, 8))):
        train = split_of({"name": "digits", "normalization": name}).train
        assert isinstance(train, Examples)
        assert train.mean is not None
        assert train.mean.shape == shape
    splits = split_of({"name": "image_folder", "train_crop": 40, "val_fraction": 0.5, "train_examples": 8}, folder)
    assert (len(splits.train), len(splits.val)) == (4, 4)
    for examples in (splits.train, splits.val, splits.test):
        assert next(examples.batches(2))[0].shape == (2, 3, 40, 40)
    order = torch.arange(2)
    images, _ = next(splits.train.training_batches(order, 2, augmentation="scale", seed=0))
    assert images.shape == (2, 3, 40, 40)


def test_images_of_one_size_are_not_cropped(folder: Path) -> None:
    digits = split_of({"name": "digits"}).test
    assert digits.cropped(None) is digits
    with pytest.raises(DatasetError, match=r"^crop: images of one size are not cut, got 32; a crop goes with image_f"):
        digits.cropped(32)


def test_a_crop_is_of_tests_alone(folder: Path) -> None:
    splits = split_of({"name": "image_folder", "train_crop": 40, "val_fraction": 0.5}, folder)
    cropped = splits.train.cropped(56)
    assert splits.train.cropped(None) is splits.train
    assert next(cropped.batches(2))[0].shape == (2, 3, 56, 56)
    assert next(splits.train.batches(2))[0].shape == (2, 3, 40, 40), "the examples themselves stay as they were"
    images, _ = next(cropped.training_batches(torch.arange(2), 2, augmentation="none", seed=0))
    assert images.shape == (2, 3, 40, 40)


def test_nothing_in_the_names_is_lost(tmp_path: Path) -> None:
    """A name is bytes: one that is no text has a fingerprint as well."""
    (tmp_path / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(b"x")
    one = folder_fingerprint(tmp_path, [b"\xff\xfe.jpg"], [os.fsdecode(b"\xff")])
    two = folder_fingerprint(tmp_path, [b"\xff\xfe.jpg"], [os.fsdecode(b"\xfe")])
    assert one != two
