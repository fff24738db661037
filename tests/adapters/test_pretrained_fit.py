"""Images and weights that a network of another package has nothing to say to."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from resablate.adapters import pretrained_builder
from resablate.component import Component
from resablate.errors import ResablateError
from resablate.pretrained_analysis import analyze_pretrained
from resablate.question import AskedAnalysis


def test_images_of_another_size_are_one_sentence(tmp_path: Path) -> None:
    """A ViT asserts their size, which is no RuntimeError."""
    pytest.importorskip("timm")
    file = tmp_path / "vit.safetensors"
    save_file(pretrained_builder("timm:vit_tiny_patch16_224")(num_classes=10).state_dict(), file)
    with pytest.raises(
        ResablateError,
        match=r"^timm:vit_tiny_patch16_224: cannot take the images of digits, \(.*\): .*224",
    ):
        analyze_pretrained(
            "timm:vit_tiny_patch16_224",
            weights=file,
            dataset=Component("digits", {}),
            asked=[AskedAnalysis(Component("path_count", {}))],
            device=torch.device("cpu"),
        )
