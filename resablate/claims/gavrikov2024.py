"""Gavrikov et al. 2024 (arXiv 2410.14470): the recipe alone changes which layers are critical."""

from collections.abc import Sequence

from resablate.claims.arms import Arm, Params
from resablate.claims.claim import Claim
from resablate.claims.measures import Answers, table_measure
from resablate.claims.resemblance import RanksDiffer
from resablate.claims.veit2016 import PREACTIVATED, RESIDUAL, WHOLE
from resablate.measurement import INCREASE

RECIPE = ("augmentation", "batch_size", "learning_rate", "optimizer", "schedule")
TAU = table_measure(
    "the error without it", "1", "lesion", lambda found: found.summary["mean_increase"], possible=INCREASE
)


def _profile(answers: Answers) -> Sequence[float] | None:
    """The error without each block."""
    lesion = answers.at_end("lesion")
    return lesion.table["error"] if lesion else None


def _first_recipe(one: Params, other: Params) -> bool:
    """Of two recipes each pair is compared once."""
    first, second = ([str(params.get(name)) for name in RECIPE] for params in (one, other))
    return first < second


CLAIMS = (
    Claim(
        "G1",
        "The training recipe alone changes which blocks are critical.",
        "Gavrikov et al. 2024 (arXiv 2410.14470)",
        RanksDiffer(
            Arm("one recipe", RESIDUAL.fields, ({**RESIDUAL.planned[0], "augmentation": "none"},)),
            Arm("another recipe", RESIDUAL.fields, ({**RESIDUAL.planned[0], "augmentation": "crop_flip"},)),
            RECIPE,
            TAU,
            _profile,
            _first_recipe,
        ),
        WHOLE,
        (),
        PREACTIVATED,
    ),
)
