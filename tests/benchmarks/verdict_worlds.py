"""Simulated worlds: trainings and test examples whose truth is known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t as student

from resablate.statistics import Estimate, Sample
from resablate.statistics.estimate import Array

HE_SD = 0.16
"""The sd over seeds of test errors in points (He et al. 2016 for ResNet-110 on CIFAR-10)."""
TABLE_1 = {
    "identity": 6.61,
    "0.5 / 0.5": 12.35,
    "0 / 1 (plain)": 20.0,
    "0.5 / 1": 20.0,
    "exclusive gate, bias 0": 20.0,
    "exclusive gate, bias -5": 20.0,
    "exclusive gate, bias -6": 8.70,
    "exclusive gate, bias -7": 9.81,
    "shortcut-only gate, bias 0": 12.86,
    "shortcut-only gate, bias -6": 6.91,
    "1x1 convolution": 12.22,
    "dropout 0.5": 20.0,
}
"""Errors in points (He et al. 2016, Table 1); what is published as "fail", above 20, stands at 20."""
EXAMPLE_SPREAD = 2.0
"""The sd of how hard examples are, over that of one training's noise on one example."""

Draw = Callable[[tuple[int, ...]], Array]


def draw_of(kind: str, generator: np.random.Generator) -> Draw:
    """Effects of seeds, mean 0 and sd 1: normal, or Student's with 3 degrees of freedom (infinite kurtosis)."""
    if kind == "normal":
        return lambda shape: generator.normal(size=shape)
    return lambda shape: generator.standard_t(3, size=shape) / np.sqrt(3)


def correlated(draw: Draw, worlds: int, seeds: int, correlation: float) -> tuple[Array, Array]:
    """Two cells' effects over the same seeds: (worlds, seeds) each."""
    common, one, other = (draw((worlds, seeds)) for _ in range(3))
    shared, own = np.sqrt(correlation), np.sqrt(1 - correlation)
    return shared * common + own * one, shared * common + own * other


@dataclass(frozen=True)
class Classifier:
    """Networks that are wrong on an example where its hardness, the seed's effect and noise exceed a threshold."""

    error: float
    seed_spread: float
    kind: str

    @property
    def threshold(self) -> float:
        """What makes the error over all seeds and examples the one asked for, if seeds are normal."""
        return float(ndtri(self.error) * np.sqrt(1 + EXAMPLE_SPREAD**2 + self.seed_spread**2))

    @property
    def truth(self) -> float:
        """The mean error over all seeds and examples."""
        if self.kind == "normal":
            return self.error
        quantiles = student.ppf((np.arange(200_000) + 0.5) / 200_000, 3) / np.sqrt(3)
        inner = (self.threshold + self.seed_spread * quantiles) / np.sqrt(1 + EXAMPLE_SPREAD**2)
        return float(ndtr(inner).mean())

    def outcomes(self, hardness: Array, seeds: int, draw: Draw, generator: np.random.Generator) -> Sample:
        """(worlds, 1, examples) hardness -> a cell of (worlds, seeds, examples) outcomes, paired by example."""
        worlds, _, examples = hardness.shape
        effects = (self.threshold + self.seed_spread * draw((worlds, seeds, 1))).astype(np.float32)
        noise = generator.standard_normal((worlds, seeds, examples), dtype=np.float32)
        return Sample.of_outcomes(noise < effects + hardness, seeds=range(seeds), examples="test")


def chunks(worlds: int, *, each: int) -> Iterator[int]:
    """Sizes of the parts in which so many worlds are simulated."""
    for start in range(0, worlds, each):
        yield min(each, worlds - start)


def hits(estimate: Estimate, truth: float) -> Array:
    """Whether each world's interval at 5 % holds the truth."""
    ends = estimate.interval()
    return (ends.low <= truth) & (truth <= ends.high)


def percent(share: float, worlds: int) -> str:
    """A share with the standard error of its simulation."""
    return f"{100 * share:.1f} ± {100 * np.sqrt(max(share * (1 - share), 1 / worlds) / worlds):.1f}"
