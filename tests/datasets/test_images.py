import itertools

import pytest
import torch
from torch import Tensor

from resablate.datasets import DATASETS, Examples, ImageDataset, Splits, load_dataset, split_dataset, split_sizes
from resablate.errors import UnknownName
from tests.networks import make_generator

CPU = torch.device("cpu")


def make_dataset(train: int = 20, test: int = 5, channels: int = 2) -> ImageDataset:
    """Every image is marked by its number, so that none can be taken for another."""

    def part(count: int, first: int) -> tuple[Tensor, Tensor]:
        images = torch.arange(first, first + count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, channels, 3, 4)
        return images.clone(), torch.arange(count) % 3

    return ImageDataset(*part(train, 0), *part(test, 200))


def split(
    dataset: ImageDataset, *, seed: int = 0, train_examples: int | None = None, val_fraction: float = 0.1
) -> Splits:
    component = {"name": "digits", "val_fraction": val_fraction, "train_examples": train_examples}
    return split_dataset(component, dataset, generator=make_generator(seed), device=CPU)


def numbers(examples: Examples) -> list[int]:
    return examples.images[:, 0, 0, 0].tolist()


def test_splits_are_disjoint_and_whole() -> None:
    splits = split(make_dataset(), val_fraction=0.25)
    assert len(splits.val) == 5
    assert sorted(numbers(splits.train) + numbers(splits.val)) == list(range(20))
    assert numbers(splits.test) == [200, 201, 202, 203, 204]


def test_labels_stay_with_their_images() -> None:
    splits = split(make_dataset())
    for examples in (splits.train, splits.val):
        assert examples.labels.tolist() == [number % 3 for number in numbers(examples)]


def test_the_seed_decides() -> None:
    assert numbers(split(make_dataset()).train) == numbers(split(make_dataset()).train)
    assert numbers(split(make_dataset()).train) != numbers(split(make_dataset(), seed=1).train)


def test_train_examples_cuts_the_training_set_short_and_not_the_test_set() -> None:
    cut = split(make_dataset(), train_examples=10)
    assert (len(cut.train), len(cut.val), len(cut.test)) == (9, 1, 5)
    assert len({*numbers(cut.train), *numbers(cut.val)}) == 10
    assert len(split(make_dataset(), train_examples=10**6).train) == 18


def test_one_image_is_held_out_at_least() -> None:
    assert len(split(make_dataset(), val_fraction=1e-9).val) == 1


def test_none_is_held_out_where_the_fraction_is_0() -> None:
    splits = split(make_dataset(), val_fraction=0)
    assert splits.val is None
    assert len(numbers(splits.train)) == 20
    assert split_sizes(20, val_fraction=0, train_examples=None) == (0, 20)


@pytest.mark.parametrize("train_examples", [None, 3, 7, 20, 30])
@pytest.mark.parametrize("val_fraction", [0.01, 0.1, 0.5])
def test_sizes_are_known_beforehand(train_examples: int | None, val_fraction: float) -> None:
    splits = split(make_dataset(), train_examples=train_examples, val_fraction=val_fraction)
    sizes = split_sizes(20, val_fraction=val_fraction, train_examples=train_examples)
    assert sizes == (len(splits.val), len(splits.train))


def test_normalization_is_that_of_the_training_examples_alone() -> None:
    dataset = load_dataset("synthetic")
    splits = split(dataset, train_examples=500)
    values = torch.cat([images for images, _ in splits.train.batches(64)])
    assert values.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (values.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-4
    assert splits.train.mean is not None
    assert splits.test.mean is not None
    assert torch.equal(splits.test.mean, splits.train.mean)
    changed = ImageDataset(dataset.train_images, dataset.train_labels, dataset.test_images * 0, dataset.test_labels)
    again = split(changed, train_examples=500)
    assert again.train.mean is not None
    assert torch.equal(again.train.mean, splits.train.mean)


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    dataset = make_dataset()
    dataset.train_images[:, 1] = 7
    assert split(dataset).train.normalize(dataset.train_images).isfinite().all()


def test_bytes_and_floats() -> None:
    images = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    mean, std = torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.25)
    examples = Examples(images, torch.zeros(1, dtype=torch.int64), mean, std)
    assert examples.normalize(images).tolist() == [[[[-2.0, 2.0]]]]
    plain = Examples(images.float(), torch.zeros(1, dtype=torch.int64))
    assert plain.normalize(plain.images).tolist() == [[[[0.0, 255.0]]]]


def test_batches_are_everything_in_order() -> None:
    test = split(make_dataset(test=5)).test
    batches = list(test.batches(2))
    assert [len(labels) for _, labels in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([images for images, _ in batches]), test.normalize(test.images))
    assert torch.cat([labels for _, labels in batches]).tolist() == test.labels.tolist()


def test_examples_are_refused_without_their_labels() -> None:
    with pytest.raises(ValueError, match="one label for each image and at least one: 2, 1"):
        Examples(torch.zeros(2, 1, 1, 1), torch.zeros(1))
    with pytest.raises(ValueError, match="at least one: 0, 0"):
        Examples(torch.zeros(0, 1, 1, 1), torch.zeros(0))


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_a_data_set_is_what_its_row_says(name: str) -> None:
    row, data = DATASETS[name], load_dataset(name)
    assert data.train_images.shape == (row.train_count, row.channels, *row.size)
    assert data.test_images.shape == (row.test_count, row.channels, *row.size)
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64
    for images, labels in ((data.train_images, data.train_labels), (data.test_images, data.test_labels)):
        assert labels.shape == images.shape[:1]
        assert labels.unique().tolist() == list(range(row.num_classes))
    assert row.source


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_a_data_set_is_the_same_at_every_load(name: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, two = DATASETS[name].load(None), DATASETS[name].load(None)
    assert torch.equal(one.train_images, two.train_images)
    assert torch.equal(one.test_labels, two.test_labels)
    assert torch.equal(torch.get_rng_state(), before)


def test_digits_are_scikit_learn_s_with_no_image_in_two_sets() -> None:
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    data = load_dataset("digits")
    everything = torch.cat([data.train_images, data.test_images]).flatten(1)
    labels = torch.cat([data.train_labels, data.test_labels])
    assert int(everything.min()) == 0
    assert int(everything.max()) == 255
    ours = sorted((label, *image) for label, image in zip(labels.tolist(), everything.tolist(), strict=True))
    theirs = sorted(
        (int(label), *(round(value * 255 / 16) for value in image))
        for label, image in zip(classes, pixels, strict=True)
    )
    apart = [index for index, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    assert len(ours) == 1797
    assert not apart


def test_test_images_are_not_training_images() -> None:
    data = load_dataset("digits")
    train = {image.numpy().tobytes() for image in data.train_images}
    assert not any(image.numpy().tobytes() in train for image in data.test_images)


def test_synthetic_classes_can_be_told_apart() -> None:
    """The nearest class mean is far better than chance, so a network has something to learn."""
    data = load_dataset("synthetic")
    pooled = torch.nn.functional.avg_pool2d(data.train_images.float(), 8).flatten(1)
    means = torch.stack([pooled[data.train_labels == label].mean(0) for label in range(10)])
    test = torch.nn.functional.avg_pool2d(data.test_images.float(), 8).flatten(1)
    error = (torch.cdist(test, means).argmin(1) != data.test_labels).float().mean()
    assert float(error) < 0.3


def test_a_data_set_is_decoded_once() -> None:
    assert load_dataset("digits") is load_dataset("digits")
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        load_dataset("digit")


def test_moving_examples_keeps_everything() -> None:
    moved = split(make_dataset()).train.to(CPU)
    for ours, theirs in itertools.zip_longest(vars(moved).values(), vars(split(make_dataset()).train).values()):
        assert torch.equal(ours, theirs)
