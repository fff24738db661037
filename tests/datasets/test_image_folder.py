"""Image files: what is found, what it looks like, and what is said when something is wrong."""

import multiprocessing
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from resablate.component import Component
from resablate.datasets import ExampleSource, Splits, load_dataset, split_dataset
from resablate.datasets.image_folder import IMAGE_FOLDER, FolderImages
from resablate.datasets.streaming import FileExamples
from resablate.errors import DatasetError
from resablate.question import Question
from resablate.spec import TrainSpec
from resablate.training import evaluate, thread_count
from resablate.trial import Trial, run_trial
from tests.datasets.image_files import CLASSES, write_folder, write_image
from tests.networks import make_generator

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_copy_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read by every test and written to by none."""
    return write_folder(tmp_path_factory.mktemp("images"), {"train": 12, "val": 4})


def load(folder: Path) -> FolderImages:
    found = IMAGE_FOLDER.load(folder)
    assert isinstance(found, FolderImages)
    return found


def split(folder: Path, *, seed: int = 0, val_fraction: float = 0.25, train_examples: int | None = None) -> Splits:
    component = {"name": "image_folder", "val_fraction": val_fraction, "train_examples": train_examples}
    found = split_dataset({**component, "train_crop": 32}, load(folder), generator=make_generator(seed), device=CPU)
    return replace(found, val=found.val.cropped(48), test=found.test.cropped(48))


def files(examples: ExampleSource) -> list[bytes]:
    assert isinstance(examples, FileExamples)
    return examples.files.tolist()


@pytest.mark.parametrize("place", ["", "image_folder"])
def test_what_is_found_is_torchvision_s(place: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data" / place, dirs_exist_ok=True)
    (tmp_path / "data" / place / "train" / "ant" / "LICENSE.txt").write_text("no image")
    data = load(tmp_path / "data")
    assert data.classes == CLASSES
    for part, names, labels in (
        ("train", data.train_files, data.train_labels),
        ("val", data.test_files, data.test_labels),
    ):
        theirs = torchvision.datasets.ImageFolder(str(data.folder / part))
        assert [
            (str(data.folder / name.decode()), label) for name, label in zip(names, labels.tolist(), strict=True)
        ] == (theirs.samples)


def test_the_environment_s_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESABLATE_DATA", str(folder))
    found = load_dataset("image_folder")
    assert isinstance(found, FolderImages)
    assert len(found.test_files) == 12


def test_val_may_lack_classes_and_keeps_the_labels_of_train(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "val" / "ant")
    assert load(tmp_path / "data").test_labels.tolist() == [1] * 4 + [2] * 4


def test_splits_are_disjoint_and_whole(folder: Path) -> None:
    splits = split(folder)
    assert (len(splits.train), len(splits.val), len(splits.test), splits.num_classes) == (27, 9, 12, 3)
    assert sorted(files(splits.train) + files(splits.val)) == load(folder).train_files.tolist()
    for examples in (splits.train, splits.val, splits.test):
        assert [CLASSES[label] for label in examples.labels.tolist()] == [
            name.decode().split("/")[1] for name in files(examples)
        ]
    assert files(split(folder, seed=1).train) != files(splits.train)
    cut = split(folder, train_examples=8)
    assert (len(cut.train), len(cut.val)) == (6, 2)


def test_the_first_test_images_are_of_many_classes_and_the_same_for_every_seed(folder: Path) -> None:
    test = split(folder).test
    assert len(test.take(slice(6)).labels.unique()) == 3
    assert sorted(files(test)) == load(folder).test_files.tolist()
    assert files(split(folder, seed=1).test) == files(test)


def test_batches_are_torchvision_s_transforms_bit_for_bit(folder: Path) -> None:
    splits = split(folder)
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(55),  # 48 * 256 / 224
            torchvision.transforms.CenterCrop(48),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    theirs = torchvision.datasets.ImageFolder(str(folder / "val"), transform)
    samples = {path: theirs[index] for index, (path, _) in enumerate(theirs.samples)}
    ordered = [samples[str(folder / name.decode())] for name in files(splits.test)]
    batches = list(splits.test.batches(5))
    assert [len(labels) for _, labels in batches] == [5, 5, 2]
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.stack([image for image, _ in ordered]))
    assert torch.cat([labels for _, labels in batches]).tolist() == [label for _, label in ordered]


def test_what_is_taken_is_what_was_chosen(folder: Path) -> None:
    test = split(folder).test
    whole, labels = next(test.batches(12))
    chosen = torch.tensor([7, 0, 3])
    for taken, expected in ((test.take(chosen), chosen), (test.take(slice(2)), torch.tensor([0, 1]))):
        images, its_labels = next(taken.batches(12))
        assert torch.equal(images, whole[expected])
        assert torch.equal(its_labels, labels[expected])
    drawn, drawn_labels = test.draw(5, make_generator())
    order = torch.randperm(12, generator=make_generator())[:5]
    assert torch.equal(drawn, whole[order])
    assert torch.equal(drawn_labels, labels[order])


@pytest.mark.parametrize("augmentation", ["none", "scale", "scale_aspect"])
def test_a_view_depends_on_seed_and_index_alone(augmentation: str, folder: Path) -> None:
    train = split(folder).train
    order = torch.randperm(len(train), generator=make_generator())

    def views(order: torch.Tensor, size: int, seed: int) -> torch.Tensor:
        found = train.training_batches(order, size, augmentation=augmentation, seed=seed)
        return torch.cat([images for images, _ in found])

    first = views(order, 8, 5)
    assert first.shape == (27, 3, 32, 32)
    assert torch.equal(views(order.flip(0), 27, 5), first.flip(0)), "neither batch nor order matters"
    assert torch.equal(views(order, 8, 6), first) == (augmentation == "none")


def test_any_number_of_workers_gives_the_same_and_none_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = split(folder).train
    order = torch.randperm(len(train), generator=make_generator())
    state = torch.get_rng_state()

    def run(threads: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        with thread_count(threads):
            return list(train.training_batches(order, 4, augmentation="scale_aspect", seed=1))

    alone = run(1)
    monkeypatch.setattr("resablate.datasets.streaming._FEWEST", 1)
    seen: list[int] = []
    for threads in (1, 2):
        for ours, theirs in zip(run(threads), alone, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    with thread_count(2):
        batches = train.training_batches(order, 4, augmentation="none", seed=1)
        next(batches)
        seen.append(len(multiprocessing.active_children()))
        del batches
    assert seen == [min(2, len(os.sched_getaffinity(0)))]
    assert not multiprocessing.active_children()
    assert torch.equal(torch.get_rng_state(), state), "torch's global generator is not drawn from"


def test_examples_can_be_sent_to_another_process(folder: Path) -> None:
    train = split(folder).train
    received = pickle.loads(pickle.dumps(train))
    order = torch.arange(len(train))
    ours, theirs = (e.training_batches(order, 27, augmentation="scale", seed=2) for e in (train, received))
    assert torch.equal(next(ours)[0], next(theirs)[0])


def test_workers_end_with_the_failure_of_what_they_feed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.datasets.streaming._FEWEST", 1)

    def fail() -> None:
        for _ in split(folder).test.batches(4):
            assert multiprocessing.active_children()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle") as caught:
        fail()
    del caught
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [False, True])
def test_an_image_that_cannot_be_decoded_is_named(
    workers: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "data")
    broken = tmp_path / "data" / "val" / "bee" / "bee_2.JPEG"
    broken.write_bytes(broken.read_bytes()[:-300])
    if workers:
        monkeypatch.setattr("resablate.datasets.streaming._FEWEST", 1)
    with pytest.raises(DatasetError, match=r"^\S*val/bee/bee_2.JPEG: cannot be decoded as an image \(OSError: .*trunc"):
        list(split(tmp_path / "data").test.batches(5))
    broken.write_bytes(b"<html>not found</html>")
    with pytest.raises(DatasetError, match=r"bee_2.JPEG: cannot be decoded .*UnidentifiedImageError"):
        list(split(tmp_path / "data").test.batches(5))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("mode", "ending"), [("L", "png"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "bmp"), ("1", "png")]
)
def test_any_kind_of_image_becomes_red_green_blue(mode: str, ending: str, folder: Path, tmp_path: Path) -> None:
    """ImageNet has gray and CMYK files, and a PNG that is called JPEG."""
    shutil.copytree(folder, tmp_path / "data")
    path = tmp_path / "data" / "val" / "ant" / f"a.{ending}"
    write_image(path, seed=3, mode=mode)
    shutil.copy(path, path.with_name("ant_0.JPEG"))
    data = load(tmp_path / "data")
    chosen = [data.test_files.tolist().index(f"val/ant/{name}".encode()) for name in (path.name, "ant_0.JPEG")]
    examples = FileExamples(data.folder, data.test_files, data.test_labels, train_crop=32, test_crop=48)
    images, _ = next(examples.take(torch.tensor(chosen)).batches(2))
    assert images.shape == (2, 3, 48, 48)
    assert torch.equal(images[0], images[1])
    with Image.open(path) as opened:
        mean = np.array(opened.convert("RGB")).mean((0, 1)) / 255
    shown = images[0].mean((1, 2)) * torch.tensor([0.229, 0.224, 0.225]) + torch.tensor([0.485, 0.456, 0.406])
    assert np.abs(shown.numpy() - mean).max() < 0.15


def test_a_name_outside_ascii(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data" / "val" / "ant").rename(tmp_path / "data" / "val" / "äö")
    (tmp_path / "data" / "train" / "ant").rename(tmp_path / "data" / "train" / "äö")
    data = load(tmp_path / "data")
    assert data.classes == ("bee", "cat", "äö")
    assert next(split(tmp_path / "data").test.batches(12))[1].bincount().tolist() == [4, 4, 4]


def remove(folder: Path, *parts: str) -> None:
    for part in parts:
        shutil.rmtree(folder / part)


@pytest.mark.parametrize(
    ("removed", "made", "message"),
    [
        (["train", "val"], [], r"^image_folder: not found\n  looked for train/CLASS/IMAGE and val/CLASS/IMAGE in:\n"),
        (
            ["train"],
            [],
            r": no folder train/ \(needed: train/CLASS/IMAGE and val/CLASS/IMAGE; to look at a trained net",
        ),
        (["val"], [], r": no folder val/ \(needed: train/CLASS/IMAGE and val/CLASS/IMAGE\)$"),
        (["train/ant", "train/bee", "train/cat"], [], r"train: no folder in it; the images must be sorted into"),
        (["train/ant", "train/bee"], [], r"val: 2 classes that train/ lacks: ant, bee$"),
        (["train/bee"], ["train/bee"], r"train/bee: no image in it \(files ending in .jpg, "),
        (["val/ant", "val/bee", "val/cat"], ["val/cat"], r"val: no image in it \(files ending in .jpg, "),
    ],
)
def test_what_is_missing_is_said(
    removed: list[str], made: list[str], message: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "data")
    remove(tmp_path / "data", *removed)
    for place in made:
        (tmp_path / "data" / place).mkdir()
    with pytest.raises(DatasetError, match=message) as caught:
        load(tmp_path / "data")
    assert str(tmp_path / "data") in str(caught.value)


def test_a_missing_data_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"--data-root .*nowhere: no such folder"):
        load(tmp_path / "nowhere")


def test_too_few_images_to_train_on(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"train: at least 2 images must be left to train on, but of 3 2 are held"):
        split(folder, train_examples=3, val_fraction=0.6)


SMALL = {
    "dataset": {"name": "image_folder", "train_crop": 32, "val_fraction": 0.2},
    "network": "imagenet_resnet",
    "depth": 18,
    "width": 4,
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.02,
}
ASKED = [
    Question(Component("test", {"crop": 48})),
    Question(Component("lesion", {"crop": 48})),
    Question(Component("path_gradient", {"samples": 1, "examples": 4})),
]


@pytest.mark.parametrize("fields", [{"augmentation": "scale"}, {"augmentation": "scale_aspect"}, {}])
def test_a_trial_from_end_to_end(fields: dict[str, object], folder: Path) -> None:
    result = run_trial(TrainSpec.parse({**SMALL, **fields}), ASKED, data_root=folder)
    assert result.status == "finished", result.reason
    assert not result.analysis_errors
    assert set(result.analyses) == {"test", "lesion", "path_gradient"}
    assert result.analyses["lesion"].summary["baseline_error"] == result.test_error, "both at the crop that was asked"


def test_the_loss_falls_on_images_that_stay_the_same(folder: Path) -> None:
    result = run_trial(TrainSpec.parse({**SMALL, "network": "resnet", "depth": 8, "epochs": 6}), data_root=folder)
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_each_question_has_its_own_crop(folder: Path) -> None:
    """The network is trained once; the crop of a test is no part of it."""
    spec = TrainSpec.parse({**SMALL, "epochs": 1, "augmentation": "scale"})
    crops = [None, 32, 48, 64]
    asked = [Question(Component("test", {} if crop is None else {"crop": crop})) for crop in crops]
    result = run_trial(spec, asked, data_root=folder)
    losses = [measurement.result.summary["loss"] for measurement in result.measurements]
    assert losses[0] == losses[1], "where nothing is said it is the crop of training"
    assert len(set(losses)) == 3
    trial = Trial(spec, data_root=folder)
    trial.run_epoch()
    for crop, loss in zip(crops, losses, strict=True):
        assert evaluate(trial.network, trial.splits.test.cropped(crop)).loss == pytest.approx(loss, rel=1e-5)


def test_the_network_has_the_classes_that_were_found_and_a_killed_trial_continues(folder: Path, tmp_path: Path) -> None:
    spec = TrainSpec.parse({**SMALL, "augmentation": "scale"})
    undisturbed = run_trial(spec, ASKED[:1], data_root=folder)
    trial = Trial(spec, data_root=folder, folder=tmp_path)
    assert trial.network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    trial.run_epoch()
    continued = run_trial(spec, ASKED[:1], data_root=folder, folder=tmp_path)
    assert continued.test_loss == undisturbed.test_loss
    assert [row.train_loss for row in continued.history] == [row.train_loss for row in undisturbed.history]
