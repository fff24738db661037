"""One name, one line: the files that a knob passes through, as in design.md's spine, and nothing else."""

import ast

import pytest

from resablate.component_tables import TABLES
from resablate.spec import TrainSpec
from tests.architecture.sources import files_with, trees

LARGEST_SPEC = 30
LIBRARY = (
    *("model", "spectral", "shortcuts", "orderings", "regularizers", "optimizers", "schedules", "augmentations"),
    *("datasets", "training", "analyses", "adapters", "dissection"),
)
SWEEP_LAYER = {"spec", "sweep", "sweep_parsing", "plan", "trial", "result", "check"}

STRENGTH = {
    "check.py": "its rule: strength 0 is no regularizer",
    "regularizers/orthogonal_penalty.py": "a component's own file",
    "regularizers/procrustes.py": "a component's own file",
    "regularizers/spectral_penalty.py": "a component's own file",
    "figures/regularizer_strength.py": "the picture that is about it",
}
"""Where the code knows `regularizer.strength`. From a sweep file to the regularizer, and from there into MLflow and the
tables, it passes as an argument of a component that nobody looks into."""
REGULARIZER = {
    "spec.py": "the field",
    "check.py": "with a strength of 0 it is none",
    "trial.py": "spec.regularizer into the keyword of the same name",
    "training/loop.py": "that keyword, which calls the row",
    "training/pack.py": "that of each member of a pack",
    "regularizers/__init__.py": "the table",
    "analyses/interface.py": "what an analysis may be told of the training",
    "analyses/spectrum.py": "measures what the regularizer drew the singular values to",
    "figures/regularizer_strength.py": "the picture of its strength",
    "figures/parameters.py": "a trial without one repeats none of its arguments",
    "claims/arms.py": "a label says which regularizer a cell has",
    "claims/he2016_shortcuts.py": "claims are about networks without one",
    "claims/he2016_imagenet.py": "likewise",
    "claims/veit2016.py": "likewise",
    "claims/zaeemzadeh2020.py": "claims about the projection",
}
SEED = {
    "sweep.py": "the seeds of a search are part of a label",
    "sweep_blocks.py": "a search has one, and seeds for every point",
    "plan.py": "a point is one trial for each of a search's seeds",
    "spec.py": "the field",
    "trial.py": "spec.seed into the keyword of the same name",
    "training/loop.py": "that keyword: one generator for each purpose",
    "training/changes.py": "one generator for each of augmentation, erasing and mixing",
    "training/pack.py": "the generators of each member of a pack",
    "training/determinism.py": "makes the generators",
    "model/member_draws.py": "a state of torch's generators for each member of a pack",
    "tracing/randomness.py": "other draws of a network that should make none",
    "pack_size.py": "a network of its own for each member of a pack that is timed",
    "datasets/images.py": "the view of an image, by the seed of the epoch",
    "datasets/streaming.py": "the same, in the processes that decode",
    "dissection.py": "a generator for each analysis",
    "pretrained_analysis.py": "the same for a network that another package trained",
    "pretrained_files.py": "what its answers were drawn from, in their table",
    "commands/analyze.py": "the only field of a trial that such a network has",
    "report.py": "counts and orders replicates",
    "cell_means.py": "names the trainings of a sample",
    "tracking/cell_records.py": "means are over seeds",
    "tracking/views.py": "a cell's table has no column of seeds",
    "scheduling/status.py": "what replicates the winner of a search has new seeds",
    "sweep_question.py": "a question names what varies, and that is no seed",
}
KNOBS = {"strength": STRENGTH, "regularizer": REGULARIZER, "seed": SEED}
OTHER_SEEDS = ("searches/", "statistics/", "figures/", "claims/", "calibrating.py")
"""Searches, bootstraps, resamples and calibrations have seeds of their own; what compares trials goes by
statistics/replicates.py."""


@pytest.mark.parametrize("knob", KNOBS)
def test_a_knob_passes_through_these_files_alone(knob: str) -> None:
    found = files_with(knob)
    if knob == "seed":
        found = {path for path in found if not path.startswith(OTHER_SEEDS)}
    assert found == set(KNOBS[knob])


def test_the_spine_of_training_is_as_designed() -> None:
    """Spec -> check -> trial -> loop -> table -> the component's own file; reading is the same for all knobs."""
    rows = {f"regularizers/{name}.py" for name in ("orthogonal_penalty", "procrustes", "spectral_penalty")}
    training = {"training/loop.py", "training/pack.py"}
    spine = {"spec.py", "check.py", "trial.py", *training, "regularizers/__init__.py", *rows}
    beside = ("figures/", "claims/", "analyses/")
    on_the_way = {path for path in {*STRENGTH, *REGULARIZER} if not path.startswith(beside)}
    assert on_the_way == spine


@pytest.mark.parametrize("field", TABLES)
def test_no_argument_of_a_component_is_known_between_its_file_and_the_checks(field: str) -> None:
    """Neither reading a sweep, nor planning, filing or drawing names one: they go by what the row says of itself."""
    arguments = {argument for name in TABLES[field] for argument in TABLES[field].arguments(name)}
    generic = ("sweep", "spec", "component", "plan", "trial", "session", "scheduling/", "searches/", "tracking/")
    texts = {f"{field}.{argument}" for argument in arguments}
    for path, tree in trees().items():
        if path.startswith(generic) or path.startswith("training/loop"):
            known = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & texts
            assert not known, path


def test_a_spec_has_few_fields() -> None:
    assert len(TrainSpec.model_fields) <= LARGEST_SPEC


def _imported(tree: ast.Module) -> set[str]:
    """Modules of the package that run when this one is imported; those for type checkers alone are left out."""
    checked = [
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    ]
    return {
        node.module.removeprefix("resablate.").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("resablate.")
        if node not in checked
    }


def test_the_whole_spec_goes_no_further_than_the_trial() -> None:
    below = {path: tree for path, tree in trees().items() if path.partition("/")[0].removesuffix(".py") in LIBRARY}
    assert len(below) > 50
    assert not {path: found for path, tree in below.items() if (found := _imported(tree) & SWEEP_LAYER)}


def _keywords_from_spec() -> list[tuple[str | None, str]]:
    """Keyword and field of everything that trial.py takes out of the spec and hands on."""
    return [
        (keyword.arg, keyword.value.attr)
        for call in ast.walk(trees()["trial.py"])
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Attribute)
        and isinstance(keyword.value.value, ast.Name)
        and keyword.value.value.id == "spec"
    ]


def test_a_knob_has_one_name() -> None:
    """In trial.py, where the spec ends, each field goes into the keyword of its own name."""
    handed = _keywords_from_spec()
    assert not [(keyword, field) for keyword, field in handed if keyword != field]
    assert {field for _, field in handed} == set(TrainSpec.model_fields) - {"dataset"}


def test_every_knob_is_used() -> None:
    """The data set too, whose row is found by its name."""
    used = {
        node.attr
        for node in ast.walk(trees()["trial.py"])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "spec"
    }
    assert set(TrainSpec.model_fields) <= used


def test_a_field_of_a_component_is_called_after_its_table() -> None:
    components = {name for name, field in TrainSpec.model_fields.items() if "Component" in str(field.annotation)}
    assert components == set(TABLES)
    assert all(table.kind == name for name, table in TABLES.items())
