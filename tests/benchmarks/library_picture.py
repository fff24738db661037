"""The lesion curves that the README's library section draws, of a timm ViT and of a ResNet-50 from weights on disk.

    python -m tests.benchmarks.library_picture

writes reports/library/lesions.png. Pretrained weights come with no package, so both networks are trained here,
on the digits of scikit-learn, and saved as others would save them; then the README's own lines run, with the names of
these two files, and their two pictures are put beside each other. It takes a minute of one CPU core, half of it the
training of the ResNet-50.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters import pretrained_builder

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "reports" / "library" / "lesions.png"
NETWORKS = {"timm:test_vit": (64, 12), "torchvision:resnet50": (16, 3)}
"""Name -> side of the images in pixels, and epochs of training."""
BATCH, TRAIN, EXAMPLES = 64, 1100, 200
_WEIGHTS = "weights.safetensors"


def readme_lines() -> str:
    """The last code of the README's section "As a library" before a network of one's own."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("### A network of your own")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)[-1]


def lines_for(name: str) -> str:
    """The README's lines for one network, whose weights and examples are in the working directory."""
    code, count = re.subn(
        r"for name, weights in \{.*?\}\.items\(\):",
        f'for name, weights in {{"{name}": Path("{_WEIGHTS}")}}.items():',
        readme_lines(),
        flags=re.DOTALL,
    )
    assert count == 1, "the README names its networks in one dict"
    return code


def digits(side: int) -> tuple[Tensor, Tensor]:
    """Images (N, 3, side, side), normalized and in an order drawn once, and their labels."""
    data: Any = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(data.images, dtype=torch.float32)[order].unsqueeze(1)
    images = (images - images.mean()) / images.std()
    large = functional.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)
    return large.expand(-1, 3, -1, -1).contiguous(), torch.tensor(data.target)[order]


def train(network: nn.Module, images: Tensor, labels: Tensor, *, epochs: int) -> None:
    """AdamW with a cosine schedule."""
    steps = epochs * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps)
    draw = torch.Generator().manual_seed(1)
    network.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=draw).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
            schedule.step()
    network.eval()


def dissect(name: str, folder: Path) -> Path:
    """Train one network, save it, run the README's lines on it, and return their picture."""
    side, epochs = NETWORKS[name]
    torch.manual_seed(0)
    network = pretrained_builder(name)(num_classes=10)
    images, labels = digits(side)
    train(network, images[:TRAIN], labels[:TRAIN], epochs=epochs)
    folder.mkdir()
    save_file(network.state_dict(), folder / _WEIGHTS)
    held_out = slice(TRAIN, TRAIN + EXAMPLES)
    torch.save((images[held_out].clone(), labels[held_out].clone()), folder / "examples.pt")
    with contextlib.chdir(folder):
        exec(lines_for(name), {})
    return folder / f"{name.replace(':', '_')}.png"


def beside(pictures: list[Path], picture: Path) -> None:
    """The pictures in a row, as one."""
    opened = [Image.open(each).convert("RGB") for each in pictures]
    whole = Image.new("RGB", (sum(each.width for each in opened), max(each.height for each in opened)), "white")
    left = 0
    for each in opened:
        whole.paste(each, (left, 0))
        left += each.width
    picture.parent.mkdir(parents=True, exist_ok=True)
    whole.save(picture, optimize=True)


def main(picture: Path = PICTURE) -> None:
    """Write the picture."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        drawn = [dissect(name, Path(scratch) / str(place)) for place, name in enumerate(NETWORKS)]
        beside(drawn, picture)


if __name__ == "__main__":
    main()
