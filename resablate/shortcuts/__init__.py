"""The shortcuts: how x passes the branch. One file each; this table is their order in every legend.

Hyper-connections (Zhu et al., arXiv 2409.19606) are no row. A shortcut's two addends have the shape of the branch's
output, but there the state between blocks is several streams, of which the branch reads a mixture and to which it
writes: stem, transitions, orderings, head, costs and packs, which know one stream, would all have to know of more. And
the carried side mixes the streams by learned numbers, so that a block without its branch is not an identity, and what a
lesion or a path means would be another question.
"""

from resablate.component import Component
from resablate.registry import Registry, filter_kwargs
from resablate.shortcuts.constant_scale import ConstantScale
from resablate.shortcuts.conv1x1 import Conv1x1
from resablate.shortcuts.decayed_identity import DecayedIdentity
from resablate.shortcuts.depth_scale import DepthScale
from resablate.shortcuts.dropout import Dropout
from resablate.shortcuts.exclusive_gate import ExclusiveGate
from resablate.shortcuts.identity import Identity
from resablate.shortcuts.interface import Addends as Addends
from resablate.shortcuts.interface import Pad as Pad
from resablate.shortcuts.interface import Place as Place
from resablate.shortcuts.interface import Scaled as Scaled
from resablate.shortcuts.interface import Shortcut as Shortcut
from resablate.shortcuts.layer_scale import LayerScale
from resablate.shortcuts.learned import LearnedScale as LearnedScale
from resablate.shortcuts.learned import LearnedShift as LearnedShift
from resablate.shortcuts.learned_sum import LearnedSum
from resablate.shortcuts.none import NoShortcut
from resablate.shortcuts.normalizer_free import NormalizerFree
from resablate.shortcuts.shortcut_only_gate import ShortcutOnlyGate
from resablate.shortcuts.skip_init import SkipInit
from resablate.shortcuts.squeeze_excitation import SqueezeExcitation
from resablate.shortcuts.stochastic_shortcut import StochasticShortcut

SHORTCUTS: Registry[type[Shortcut]] = Registry(
    "shortcut",
    "shortcuts",
    {
        "identity": Identity,
        "constant_scale": ConstantScale,
        "exclusive_gate": ExclusiveGate,
        "shortcut_only_gate": ShortcutOnlyGate,
        "conv1x1": Conv1x1,
        "dropout": Dropout,
        "none": NoShortcut,
        "skip_init": SkipInit,
        "layer_scale": LayerScale,
        "depth_scale": DepthScale,
        "normalizer_free": NormalizerFree,
        "decayed_identity": DecayedIdentity,
        "learned_sum": LearnedSum,
        "squeeze_excitation": SqueezeExcitation,
        "stochastic_shortcut": StochasticShortcut,
    },
    given=("place",),
)


ANYWHERE = Place()


def build_shortcut(
    component: Component, *, in_channels: int, out_channels: int, stride: int, place: Place = ANYWHERE
) -> Shortcut:
    """The shortcut of a block.

    Args:
        component: a row of SHORTCUTS, with its arguments.
        in_channels: channels of x.
        out_channels: channels of the residual.
        stride: the branch's stride.
        place: of the block, for the rows that depend on it.

    Raises:
        UnknownName: if there is no such row.
    """
    kind = SHORTCUTS[component.name]
    known = filter_kwargs(kind, {"place": place})
    return kind(in_channels=in_channels, out_channels=out_channels, stride=stride, **known, **component.values)
