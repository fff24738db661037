"""Claims about each of several."""

import numpy as np
import pytest

from resablate.statistics import Evidence, Sample, decide, difference, every, evidence_of_difference


def part(supported: float, contradicted: float, equivalent: float = 1.0) -> Evidence:
    return Evidence(np.asarray(supported), np.asarray(contradicted), np.asarray(equivalent))


def test_supported_takes_each_and_no_correction() -> None:
    assert decide(every([part(0.02, 0.98), part(0.001, 0.999)])) == "supported"
    assert decide(every([part(0.02, 0.98), part(0.03, 0.97)])) == "undecided"


def test_contradicted_takes_one_corrected_for_their_number() -> None:
    assert decide(every([part(0.98, 0.02), part(0.001, 0.999)])) == "undecided"
    assert decide(every([part(0.99, 0.01), part(0.001, 0.999)])) == "contradicted"


def test_equivalent_takes_each_to_be_beaten_or_equal() -> None:
    assert decide(every([part(0.5, 0.5, 0.01), part(0.001, 0.999)])) == "equivalent"
    assert decide(every([part(0.5, 0.5, 0.01), part(0.3, 0.7, 0.2)])) == "undecided"


def test_a_claim_about_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="one part or more"):
        every([])


@pytest.mark.parametrize("rivals", [1, 6, 11])
def test_equal_cells_are_told_apart_in_at_most_one_world_of_twenty(rivals: int) -> None:
    generator = np.random.default_rng(rivals)
    cells = [Sample.of_numbers(generator.normal(size=(10_000, 3))) for _ in range(rivals + 1)]
    parts = [evidence_of_difference(difference(rival, cells[0]), margin=0.1) for rival in cells[1:]]
    found = decide(every(parts))
    # Four standard errors of this simulation are 0.9 %; the rule of 0.1 decided 52 % of such worlds.
    assert np.mean((found == "supported") | (found == "contradicted")) < 0.059
