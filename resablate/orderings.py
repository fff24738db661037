"""Orders of the layers of a block, as data: the five of He et al. (2016), Figure 4, and others.

A word is one layer: `conv`, `bn` (batch norm, or the norm that takes its place), `relu`, `bias` (a learned number that
is added) or `scale` (one that multiplies).
"""

from dataclasses import dataclass

from resablate.registry import Registry


@dataclass(frozen=True)
class Ordering:
    """One order of the same layers."""

    branch: str
    """The residual branch F of two convolutions, word by word."""
    after_add: str
    """What acts on the sum of the two addends."""
    source: str

    @property
    def preactivation(self) -> str:
        """The words before the branch's first convolution, empty in post-activation orderings.

        The first block of a network leaves them to the stem, and the last addition is followed by them once more
        (He et al. 2016, section 4 and appendix). Without a ReLU they are no pre-activation, and stay in the branch.
        """
        before = self.branch.partition("conv")[0].strip()
        return before if "relu" in before else ""

    def words(self, convolutions: int) -> str:
        """The branch with so many convolutions: what stands between two of them stands between all."""
        before, between, after = (part.strip() for part in self.branch.split("conv"))
        return " ".join([before, *["conv", between] * (convolutions - 1), "conv", after]).strip()


ORDERINGS: Registry[Ordering] = Registry(
    "ordering",
    "orderings",
    {
        "original": Ordering("conv bn relu conv bn", "relu", "He et al. 2016, Figure 4(a)"),
        "bn_after_add": Ordering("conv bn relu conv", "bn relu", "He et al. 2016, Figure 4(b)"),
        "relu_before_add": Ordering("conv bn relu conv bn relu", "", "He et al. 2016, Figure 4(c)"),
        "relu_only_preactivation": Ordering("relu conv bn relu conv bn", "", "He et al. 2016, Figure 4(d)"),
        "full_preactivation": Ordering("bn relu conv bn relu conv", "", "He et al. 2016, Figure 4(e)"),
        "one_norm": Ordering("conv relu conv bn", "relu", "the norm of a block at the end of its branch alone"),
        "one_norm_preactivation": Ordering(
            "bn relu conv relu conv", "", "the norm of a block at the start of its branch alone"
        ),
        "fixup": Ordering(
            "bias conv bias relu bias conv scale bias",
            "relu",
            "Zhang, Dauphin & Ma, arXiv 1901.09321, Figure 1; with norm bias and initialization fixup",
        ),
    },
)
