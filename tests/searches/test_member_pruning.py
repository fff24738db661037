"""Prunings for members of packs: the trials that Tune's schedulers stop where Tune asks them."""

import pytest

from resablate.searches.member_pruning import MemberPruning
from resablate.searches.pruning import PAUSING, PRUNINGS
from tests.searches.test_pruning import BAD, FAIR, GOOD, stopped_after

BY_MEMBER = [name for name in PRUNINGS if name not in PAUSING]


def stopped_members(name: str, curves: list[list[float]], *, size: int) -> list[int | None]:
    """For each curve of errors the epoch after which it is stopped, packs of `size` one after another."""
    epochs, pruning = len(curves[0]), MemberPruning(name, epochs=len(curves[0]))
    stopped: list[int | None] = [None] * len(curves)
    for start in range(0, len(curves), size):
        members = list(range(start, min(start + size, len(curves))))
        for epoch in range(1, epochs):  # of the last epoch nobody is asked
            for place in list(members):
                if reason := pruning.reason(str(place), epoch, curves[place][epoch - 1]):
                    assert reason == f"pruned by {name} after epoch {epoch}; no question was put to it"
                    stopped[place] = epoch
                    members.remove(place)
    return stopped


@pytest.mark.parametrize("name", BY_MEMBER)
@pytest.mark.parametrize("curves", [[GOOD, BAD, FAIR, BAD, GOOD, FAIR], [BAD, FAIR, FAIR, BAD, GOOD, BAD, BAD]])
def test_packs_of_one_are_stopped_as_tune_stops_trials(name: str, curves: list[list[float]]) -> None:
    assert stopped_members(name, curves, size=1) == stopped_after(name, curves)


def test_asha_stops_members_and_the_others_go_on() -> None:
    assert stopped_members("asha", [GOOD, BAD, BAD, BAD], size=4) == [None, 1, 1, 1]


def test_median_stops_members_once_there_are_three_others() -> None:
    stopped = stopped_members("median", [GOOD, FAIR, FAIR, BAD, BAD, GOOD], size=6)
    assert stopped[:3] + stopped[5:] == [None] * 4
    assert None not in stopped[3:5]


@pytest.mark.parametrize("name", BY_MEMBER)
def test_an_epoch_that_is_told_again_changes_nothing(name: str) -> None:
    """The process of a pack died, and its members trained some epochs again."""
    pruning, undisturbed = MemberPruning(name, epochs=16), MemberPruning(name, epochs=16)
    stopped: set[str] = set()
    for epoch in range(1, 12):
        for key, error in (("a", 0.2), ("b", 0.3), ("c", 0.3), ("d", 0.9)):
            expected = undisturbed.reason(key, epoch, error)
            assert pruning.reason(key, epoch, error) == expected
            stopped |= {key} if expected else set()
            for again in (epoch, max(1, epoch - 1)):
                assert bool(pruning.reason(key, again, 0.99)) == (key in stopped)
    assert bool(stopped) == (name != "none")
    assert "a" not in stopped
