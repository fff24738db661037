"""Schemas that refuse what they do not know."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
SCHEMAS = ROOT.parent / "shared" / "schemas"
"""KubeRay's own, which are kept outside the repository."""
KUBERNETES = "1.34"
KUBERAY = "ray.io/v1"


def objects(file: str) -> list[dict[str, Any]]:
    """The Kubernetes objects in a file of cluster/."""
    return list(yaml.safe_load_all((CLUSTER / file).read_text()))


def closed(schema: Any) -> Any:
    """The schema without room for unknown fields. The API server would drop them and say nothing."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict) and not found.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


@cache
def kuberay(kind: str) -> jsonschema.Draft7Validator:
    """What knows every field of a kind of KubeRay's objects, and no other."""
    return jsonschema.Draft7Validator(closed(json.loads((SCHEMAS / f"{kind.lower()}.v1.schema.json").read_text())))


def check_object(what: dict[str, Any]) -> None:
    """Raise where Kubernetes or KubeRay would refuse or ignore a part of it; skip where KubeRay's schemas are not."""
    if what["apiVersion"] != KUBERAY:
        kubernetes_validate.validate(what, KUBERNETES, strict=True)
        return
    if not SCHEMAS.exists():
        pytest.skip(f"KubeRay's schemas are not there: {SCHEMAS}")
    kuberay(what["kind"]).validate(what)
    for template in templates(what):  # in KubeRay's schema, metadata may hold anything
        metadata = {"name": "pod", **template.get("metadata", {})}
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}, KUBERNETES, strict=True
        )


def templates(what: Any) -> Iterator[dict[str, Any]]:
    """Every pod template in an object."""
    if isinstance(what, list):
        for each in what:
            yield from templates(each)
    elif isinstance(what, dict):
        if "containers" in what.get("spec", {}):
            yield what
        else:
            for each in what.values():
                yield from templates(each)
