"""Small folders of real image files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat")


def write_image(path: Path, *, seed: int, size: tuple[int, int] = (80, 64), mode: str = "RGB") -> None:
    """Smooth noise; the format is that of the file's ending, (width, height) in pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)


def write_folder(folder: Path, counts: Mapping[str, int], *, size: tuple[int, int] = (80, 64)) -> Path:
    """`counts`: part -> images in each of the three classes; they differ in brightness, so they can be learned."""
    for part, count in counts.items():
        for label, name in enumerate(CLASSES):
            for number in range(count):
                path = folder / part / name / f"{name}_{number}.JPEG"
                write_image(path, seed=1000 * label + 10 * number + len(part), size=size)
    return folder
