"""How many trials make a pack."""

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from resablate.packs import Pack
from resablate.plan import plan_sweep
from resablate.scheduling import packing
from resablate.scheduling.packing import PackSizes, sizes_in_words
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from tests.scheduling.tiny import final_plan
from tests.searches.studies import end, make_search, open_search

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the studies


class Measured:
    """What would be measured, by depth; and for what it was asked."""

    def __init__(self, **best: int) -> None:
        self.best = best
        self.asked: list[tuple[int, int]] = []

    def __call__(self, shapes: Sequence[tuple[TrainSpec, int]]) -> list[int]:
        self.asked += [(spec.depth, most) for spec, most in shapes]
        return [min(most, self.best.get(f"depth{spec.depth}", 1)) for spec, most in shapes]


def pack_sizes(asked: int | Literal["auto"], *, slots: int, measure: Measured) -> PackSizes:
    """Of trials that are worth measuring, as small as they are."""
    return PackSizes(asked, slots=slots, measure=measure, say=lambda sentence: None, worth_seconds=0)


def sizes(packs: list[Pack]) -> list[int]:
    return [len(pack) for pack in packs]


def make(**axes: Any) -> tuple[TrainSpec, ...]:
    return final_plan({"seed": list(range(12)), **axes}).trials


@pytest.mark.parametrize(
    ("slots", "best", "expected"),
    [
        (1, 4, [4, 4, 4]),
        (2, 4, [3, 3, 3, 3]),  # two rounds of two packs, and not one slot empty in the second
        (2, 6, [6, 6]),
        (2, 99, [6, 6]),
        (2, 1, [1] * 12),
        (5, 4, [3, 3, 2, 2, 2]),
        (12, 4, [1] * 12),
        (40, 4, [1] * 12),
    ],
)
def test_auto_takes_what_is_fastest_and_leaves_no_slot_empty(slots: int, best: int, expected: list[int]) -> None:
    packs = pack_sizes("auto", slots=slots, measure=Measured(depth8=best)).packs(make())
    assert sizes(packs) == expected


def test_what_could_not_be_packed_anyway_is_not_measured() -> None:
    measure = Measured(depth8=4)
    assert sizes(pack_sizes("auto", slots=12, measure=measure).packs(make())) == [1] * 12
    assert sizes(pack_sizes(3, slots=1, measure=measure).packs(make())) == [3] * 4
    assert measure.asked == []


def test_each_shape_is_measured_once() -> None:
    measure = Measured(depth8=4, depth14=2)
    packed = pack_sizes("auto", slots=1, measure=measure)
    packs = packed.packs(make(depth=[8, 14, 20], learning_rate=[0.1, 0.2]))
    assert [(pack[0].depth, len(pack)) for pack in packs if pack[0].depth == 8] == [(8, 4)] * 6
    assert {len(pack) for pack in packs if pack[0].depth == 14} == {2}
    assert {len(pack) for pack in packs if pack[0].depth == 20} == {1}
    assert measure.asked == [(8, 24), (14, 24), (20, 24)]
    assert sizes(packed.packs(make()[:3])) == [3]
    assert len(measure.asked) == 3, "fewer than it was measured for"


def test_what_is_trained_in_less_than_it_takes_to_measure_is_not_packed() -> None:
    measure, said = Measured(depth8=4), list[str]()
    assert sizes(PackSizes("auto", slots=1, measure=measure, say=said.append).packs(make())) == [1] * 12
    assert said == []
    assert measure.asked == []
    longer = final_plan({"seed": list(range(12))}, epochs=1000).trials
    assert sizes(PackSizes("auto", slots=1, measure=measure, say=said.append).packs(longer)) == [4] * 3
    assert said == [
        "measuring how many trials train fastest as one, for networks of one shape",
        "packs: 3 packs of 4 trials",
    ]


def test_the_longest_packs_are_first() -> None:
    trials = final_plan({"depth": [8, 14], "seed": [0, 1, 2, 3]}).trials
    packs = pack_sizes("auto", slots=2, measure=Measured(depth14=4)).packs(trials)
    assert [(pack[0].depth, len(pack)) for pack in packs] == [(14, 4), *[(8, 1)] * 4]
    packs = pack_sizes("auto", slots=2, measure=Measured()).packs(trials)
    assert [spec.key for (spec,) in packs] == [spec.key for spec in trials], "no packs, no other order"


def test_what_cannot_be_packed_is_left_alone() -> None:
    specs = final_plan({"seed": [0, 1, 2], "block_sampling": ["all", "stochastic_depth"]}).trials
    packs = pack_sizes(3, slots=1, measure=Measured()).packs(specs)
    assert sorted((len(pack), pack[0].block_sampling.name) for pack in packs) == [
        *[(1, "stochastic_depth")] * 3,
        (3, "all"),
    ]


def test_a_number_is_the_most() -> None:
    assert sizes(pack_sizes(5, slots=4, measure=Measured()).packs(make())) == [4, 4, 4]
    assert sizes(pack_sizes(50, slots=4, measure=Measured()).packs(make())) == [12]


def asked_packs(packed: PackSizes, search: Searcher, sweep: SweepSpec) -> list[Pack]:
    """Every pack of a search, each ended before the next one is asked for."""
    packed.foresee(search, plan_sweep(sweep))
    packs: list[Pack] = []
    while pack := packed.next_pack(search):
        packs.append(pack)
        for spec in pack:
            search.tell(end(spec))
    return packs


RATE = {"learning_rate": {"low": 1e-4, "high": 1, "log": True}}


def test_a_search_is_asked_for_several_at_once() -> None:
    sweep = make_search(axes=RATE, trials=11)
    with open_search(sweep) as search:
        packs = asked_packs(pack_sizes(4, slots=1, measure=Measured()), search, sweep)
    assert sizes(packs) == [4, 4, 3]
    assert len({spec.key for pack in packs for spec in pack}) == 11


def test_auto_asks_a_search_for_a_tenth_at_once() -> None:
    measure = Measured(depth8=8)
    sweep = make_search(axes=RATE, base={"depth": 8}, trials=40)
    with open_search(sweep) as search:
        packs = asked_packs(pack_sizes("auto", slots=2, measure=measure), search, sweep)
    assert sizes(packs) == [2] * 20


def test_auto_packs_the_seeds_of_a_point() -> None:
    sweep = make_search(axes=RATE, base={"depth": 8}, trials=4, seeds=[0, 1, 2])
    with open_search(sweep) as search:
        packs = asked_packs(pack_sizes("auto", slots=2, measure=Measured(depth8=8)), search, sweep)
    assert sizes(packs) == [3] * 4
    assert all(len({spec.cell for spec in pack}) == 1 for pack in packs)


def test_proposals_of_other_shapes_wait_for_a_pack_of_their_own() -> None:
    axes = {**RATE, "shortcut": ["identity", "conv1x1"]}
    sweep = make_search(axes=axes, trials=24)
    with open_search(sweep) as search:
        packs = asked_packs(pack_sizes(4, slots=1, measure=Measured()), search, sweep)
    assert all(len({str(spec.shortcut) for spec in pack}) == 1 for pack in packs)
    assert sum(sizes(packs)) == 24
    assert max(sizes(packs)) > 1


def test_a_search_is_measured_before_its_first_trial_and_never_again() -> None:
    """A frequency is no member's own: each point is of a shape of its own, and none is measured by itself."""
    base = {"regularizer": "procrustes"}
    axes = {**RATE, "depth": [8, 14, 20], "regularizer.frequency": {"low": 0.05, "high": 1}}
    sweep = make_search(axes=axes, base=base, trials=30, seeds=[0, 1])
    measure = Measured(depth8=2, depth14=2)
    packed = pack_sizes("auto", slots=2, measure=measure)
    with open_search(sweep) as search:
        packed.foresee(search, plan_sweep(sweep))
        asked = list(measure.asked)
        packs = asked_packs(packed, search, sweep)
    assert asked == measure.asked == [(8, 3), (14, 3), (20, 3)]
    assert sum(sizes(packs)) == 60
    assert {(pack[0].depth, len(pack)) for pack in packs} == {(8, 2), (14, 2), (20, 1)}


def test_what_a_search_will_hardly_repeat_is_not_measured() -> None:
    measure = Measured(depth8=4)
    sweep = make_search(axes={**RATE, "depth": [8, 14, 20, 26, 32]}, trials=5)
    with open_search(sweep) as search:
        assert sizes(asked_packs(pack_sizes("auto", slots=1, measure=measure), search, sweep)) == [1] * 5
    assert measure.asked == []


def test_a_point_that_cannot_be_packed_trains_alone_though_the_end_of_its_range_could_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All blocks survive at that end, which costs most and is measured."""
    monkeypatch.setattr(packing, "estimate_seconds", lambda spec, asked: spec.block_sampling.values["final_survival"])
    base = {"depth": 8, "block_sampling": "stochastic_depth"}
    axes = {**RATE, "block_sampling.final_survival": {"low": 0.5, "high": 1}}
    measure = Measured(depth8=2)
    sweep = make_search(axes=axes, base=base, trials=6, seeds=[0, 1])
    with open_search(sweep) as search:
        packs = asked_packs(pack_sizes("auto", slots=1, measure=measure), search, sweep)
    assert measure.asked == [(8, 2)]
    assert sizes(packs) == [1] * 12


def test_no_more_than_the_limit() -> None:
    sweep = make_search(axes=RATE, trials=10)
    with open_search(sweep, limit=5) as search:
        assert sizes(asked_packs(pack_sizes(4, slots=1, measure=Measured()), search, sweep)) == [4, 1]
        assert search.next() is None


def test_sizes_in_words() -> None:
    specs = make()
    assert sizes_in_words([specs[:4], specs[4:8], specs[8:11], specs[11:]]) == "2 packs of 4 trials, 1 of 3, 1 of 1"
    assert sizes_in_words([(spec,) for spec in specs]) == ""
    assert sizes_in_words([specs]) == "1 pack of 12 trials"
