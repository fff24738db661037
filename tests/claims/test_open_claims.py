"""What would decide the rest, by what is missing."""

from resablate.claims.answer import answer_claims
from resablate.claims.arms import flat
from resablate.claims.open_claims import EQUAL, NO_PART, QUESTIONS, SEEDS, open_claims
from tests.claims.worlds import Network, train

DEEP = {"depth": 56, "dataset": "cifar10"}


def test_open_claims_stand_by_what_is_missing() -> None:
    trained = train([Network({**DEEP, "shortcut": name}, error=0.07) for name in ("identity", "conv1x1")], seeds=1)
    answers = answer_claims(trained)
    found = open_claims(answers, [flat(result.spec) for result in trained])
    headings = {answer.claim.id: heading for heading, group in found.items() for answer in group}
    assert sorted(headings) == sorted(answer.claim.id for answer in answers if answer.what_would_decide)
    assert headings["H1"] == SEEDS
    assert headings["V5"] == QUESTIONS, "multi_lesion of identity"
    assert headings["H4"] == "trainings with another shortcut"
    assert headings["H11"] == "trainings with another ordering"
    assert headings["V7"] == "networks of 110 layers or more"
    assert headings["H23"] == headings["V4"] == "ImageNet (data set image_folder)"
    assert headings["Z2"] == EQUAL, "at more depths"
    assert headings["T1"] == NO_PART
    order = list(found)
    assert (order[0], order[-1]) == (SEEDS, NO_PART)
    between = [len(found[heading]) for heading in order if heading not in (SEEDS, QUESTIONS, EQUAL, NO_PART)]
    assert between == sorted(between, reverse=True)
