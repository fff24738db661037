"""What `resablate ui` left."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from resablate.checkups.interface import Fault, Scope
from resablate.storage.files import remove
from resablate.tracking import abandoned_ui_folders


def ui_folders(scope: Scope) -> Iterator[Fault]:
    """Temporary folders of `resablate ui` that was killed."""
    for folder in abandoned_ui_folders():
        remedy = "--mend removes it, as the next resablate ui does"
        yield Fault(str(folder), "the resablate ui that it belongs to was killed", remedy, partial(remove, folder))
