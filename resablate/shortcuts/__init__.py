"""The shortcuts: how x passes the branch. One file each; this table is their order in every legend."""

from resablate.registry import Registry
from resablate.shortcuts.constant_scale import ConstantScale
from resablate.shortcuts.conv1x1 import Conv1x1
from resablate.shortcuts.dropout import Dropout
from resablate.shortcuts.exclusive_gate import ExclusiveGate
from resablate.shortcuts.identity import Identity
from resablate.shortcuts.interface import Addends as Addends
from resablate.shortcuts.interface import Pad as Pad
from resablate.shortcuts.interface import Shortcut as Shortcut
from resablate.shortcuts.none import NoShortcut
from resablate.shortcuts.shortcut_only_gate import ShortcutOnlyGate

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
    },
)
