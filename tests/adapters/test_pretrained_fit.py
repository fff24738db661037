"""Images and weights that a network of another package has nothing to say to."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from resablate.adapters import load_pretrained, pretrained_builder
from resablate.component import Component
from resablate.errors import CheckpointError, ResablateError
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


@pytest.mark.parametrize("kind", ["vit", "beit", "dinov2"])
def test_what_transformers_writes_is_what_is_loaded(kind: str, tmp_path: Path) -> None:
    """In memory it has other names than in its files."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.AutoConfig.for_model(kind, image_size=32, patch_size=16, num_labels=3, **sizes)
    torch.manual_seed(0)
    theirs = transformers.AutoModelForImageClassification.from_config(config).eval()
    theirs.save_pretrained(tmp_path)
    name, file = f"huggingface:{tmp_path / 'config.json'}", tmp_path / "model.safetensors"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        network = load_pretrained(name, weights=file)
        assert torch.equal(network(images).logits, theirs(images).logits)
    state = load_file(file)
    torch.save({key: value.to_sparse() for key, value in state.items()}, tmp_path / "sparse.pth")
    with pytest.raises(CheckpointError, match=r"not the weights of .*: transformers does not load .*: \w+Error: \w"):
        load_pretrained(name, weights=tmp_path / "sparse.pth")
    left = {key: value for key, value in state.items() if "key" not in key}
    save_file({**left, "more": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"(?s)missing, \d+: .*k_proj.*\n  not in the network, 1: more$"):
        load_pretrained(name, weights=file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "no configuration of transformers: OSError: .*not a valid JSON file"),
        ('{"model_type": "bert"}', "the other package does not build it: ValueError: Unrecognized configuration class"),
    ],
)
def test_what_transformers_refuses_is_one_line(content: str, expected: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ResablateError, match=expected) as caught:
        load_pretrained(f"huggingface:{tmp_path / 'config.json'}", weights=None)
    assert "\n" not in str(caught.value)
