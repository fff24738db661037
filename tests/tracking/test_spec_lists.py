import json
import time
from typing import Any

import pytest

from resablate.component import Component
from resablate.spec import TrainSpec
from resablate.tracking.spec_lists import pack_specs, unpack_specs
from resablate.tracking.trial_lists import RECENT_FILE, TRIALS_FILE, TrialList, read_trial_list
from tests.factories import make_spec


def there_and_back(specs: list[TrainSpec]) -> list[TrainSpec]:
    return unpack_specs(json.loads(json.dumps(pack_specs(specs))))


def test_what_all_share_is_written_once() -> None:
    specs = [make_spec({"shortcut": "exclusive_gate", "shortcut.bias": bias, "depth": 56}) for bias in (-6, -3, 0)]
    packed = pack_specs(specs)
    assert packed["common"]["depth"] == 56
    assert [list(trial) for trial in packed["trials"]] == [["shortcut"]] * 3
    assert there_and_back(specs) == specs
    assert [spec.params() for spec in there_and_back(specs)] == [spec.params() for spec in specs]


@pytest.mark.parametrize(
    "values", [(1, True), (1, 1.5), (0, None), ("1", 1), ((0.5,), (0.5, 0.6)), ((), ""), (-0.0, 1e-300)], ids=str
)
def test_values_that_are_nearly_equal_stay_what_they_are(values: tuple[Any, Any]) -> None:
    specs = [TrainSpec(shortcut=Component("odd", {"value": value})) for value in values]
    back = there_and_back(specs)
    assert [repr(spec.shortcut.arguments["value"]) for spec in back] == [repr(value) for value in values]
    assert [spec.key for spec in back] == [spec.key for spec in specs]


def test_defaults_that_differ_are_kept_though_they_make_no_other_trial() -> None:
    specs = [TrainSpec(shortcut=Component("odd", {}, defaults)) for defaults in ({}, {"new": 1}, {"new": 2})]
    assert [dict(spec.shortcut.defaults) for spec in there_and_back(specs)] == [{}, {"new": 1}, {"new": 2}]


@pytest.mark.parametrize("specs", [[], [TrainSpec()], [TrainSpec(), TrainSpec()]], ids=len)
def test_short_lists(specs: list[TrainSpec]) -> None:
    assert there_and_back(specs) == specs


@pytest.mark.parametrize(
    "data",
    [
        [],
        None,
        {},
        {"common": {}},
        {"common": [], "trials": []},
        {"common": {}, "trials": [3]},
        {"common": {"shape": 1}, "trials": []},
        {"common": {}, "trials": [{"shape": 1}]},
        {"common": {}, "trials": [{"shortcut.bias": 1}]},
        {"common": {}, "trials": [{"depth": -1}]},
    ],
    ids=str,
)
def test_what_is_no_list_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"a list of trials|a trial is|validation error"):
        unpack_specs(data)


def test_many_trials_are_few_bytes_and_few_seconds() -> None:
    """100,000 take ten times what these take."""
    base = make_spec({"shortcut": "exclusive_gate", "optimizer.momentum": 0.8})
    specs = [base.model_copy(update={"seed": seed, "learning_rate": 1 / (1 + seed)}) for seed in range(10_000)]
    begin = time.perf_counter()
    text = json.dumps(pack_specs(specs), separators=(",", ":"))
    back = unpack_specs(json.loads(text))
    assert time.perf_counter() - begin < 10
    assert len(text) < 100 * len(specs)
    assert back == specs


class Folder:
    """The files of a list, and how much was written in all."""

    def __init__(self, trials: TrialList) -> None:
        self.trials, self.files, self.written = trials, dict[str, str](), 0

    def write(self) -> None:
        name, content = self.trials.next_file()
        self.files[name] = content
        self.trials.mark_written(name)
        self.written += len(content)

    def read(self) -> list[int]:
        recent = self.files.get(RECENT_FILE)
        specs = read_trial_list(self.files[TRIALS_FILE].encode(), recent.encode() if recent else None)
        return [spec.seed for spec in specs]


def test_a_list_that_grows_reads_back_after_every_trial() -> None:
    base = TrainSpec()
    folder = Folder(TrialList([]))
    folder.write()
    assert folder.read() == []
    for seed in range(200):
        for _ in range(2):
            folder.trials.add(base.replace(seed=seed))
        assert folder.trials.unwritten == 1
        folder.write()
        assert folder.trials.unwritten == 0
        assert folder.read() == list(range(seed + 1))


def test_a_file_that_was_not_stored_is_written_again() -> None:
    base = TrainSpec()
    folder = Folder(TrialList([base]))
    folder.write()
    folder.trials.add(base.replace(seed=1))
    folder.trials.next_file()  # the store refused it
    folder.trials.add(base.replace(seed=2))
    folder.write()
    assert folder.read() == [0, 1, 2]


def test_what_is_written_grows_far_slower_than_the_square() -> None:
    base = TrainSpec()
    folder = Folder(TrialList([]))
    for seed in range(2000):
        folder.trials.add(base.model_copy(update={"seed": seed}))
        folder.write()
    whole = len(folder.files[TRIALS_FILE])
    assert folder.written < whole * 2000 / 20


def test_a_recent_file_of_another_list_is_refused() -> None:
    whole = json.dumps(pack_specs([TrainSpec()])).encode()
    for start in (-1, 2, None, "1"):
        recent = json.dumps({"start": start, **pack_specs([TrainSpec()])}).encode()
        with pytest.raises(ValueError, match="start must be a place in the list of 1 trials"):
            read_trial_list(whole, recent)
