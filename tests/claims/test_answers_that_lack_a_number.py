"""An answer that lacks what a claim reads is a claim that was not tested, never an error."""

from dataclasses import replace

from resablate.claims.answer import answer_claims
from tests.factories import make_sweep_results


def test_numbers_that_are_not_there_leave_claims_untested() -> None:
    whole = make_sweep_results(seeds=3)
    bare = [
        result.model_copy(
            update={
                "measurements": tuple(
                    m
                    if m.question.analysis.name == "test"
                    else replace(m, result=replace(m.result, summary={}, table={}, axes={}))
                    for m in result.measurements
                )
            }
        )
        for result in whole
    ]
    verdicts = {answer.claim.id: str(answer.verdict) for answer in answer_claims(bare)}
    assert verdicts["V1"] == "not tested", "its lesion holds no number"
    decided = {name for name, verdict in verdicts.items() if verdict in ("supported", "contradicted", "equivalent")}
    assert decided == {"H2", "H9", "H10"}, "training losses and test errors are there"
