"""What is asked of trained networks against the table of analyses, and what each of them can answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from resablate.analyses import ANALYSES
from resablate.check import planned_epochs
from resablate.component import Component
from resablate.component_tables import resolve_in
from resablate.datasets import DATASETS
from resablate.errors import SpecError, nearest
from resablate.question import AskedAnalysis, Question
from resablate.spec import TrainSpec


def check_asked(asked: Iterable[AskedAnalysis], *, place: str = "analyses") -> tuple[AskedAnalysis, ...]:
    """`asked` with every argument checked and filled in.

    Args:
        asked: as somebody wrote it.
        place: where, for error messages.

    Raises:
        SpecError: with every unknown analysis and argument, and every analysis that has no meaning during training;
            its `valid_part` are the other analyses.
    """
    found: list[str] = []
    checked: dict[tuple[Component, tuple[int, ...]], AskedAnalysis] = {}
    for analysis in asked:
        component, problems = resolve_in(analysis.analysis, ANALYSES)
        field = "" if component.name in ANALYSES else nearest(component.name, TrainSpec.model_fields)
        found += [
            f"{place}: {problem}{field.rstrip('?')}{field and ', a field of a training?'}" for problem in problems
        ]
        if problems:
            continue
        if analysis.epochs and not ANALYSES[component.name].during_training:
            able = ", ".join(name for name, row in ANALYSES.items() if row.during_training)
            found.append(
                f"{place}.{component.name}.epochs: {component.name} is asked of the trained network alone (during"
                f" training: {able}), got {list(analysis.epochs)}"
            )
            continue
        checked[component, analysis.epochs] = AskedAnalysis(component, analysis.epochs)
    if found:
        raise SpecError(found, valid_part=tuple(checked.values()))
    return tuple(checked.values())


def questions_for(spec: TrainSpec, asked: Iterable[AskedAnalysis]) -> tuple[Question, ...]:
    """What is asked of one trial, as far as it can answer, in canonical form.

    A crop has no meaning where all images have one size, nor an epoch after the last one. As many examples as there
    are, or more, are all.

    Args:
        spec: canonical.
        asked: by `check_asked`.
    """
    found: dict[Question, None] = {}
    last = planned_epochs(spec)
    for analysis in asked:
        component = _canonical(analysis.analysis, spec)
        if component is None:
            continue
        for question in AskedAnalysis(component, analysis.epochs).questions():
            if question.epoch is None or question.epoch <= last:
                found[question] = None
    return tuple(found)


def unanswerable(specs: Sequence[TrainSpec], asked: Iterable[AskedAnalysis]) -> list[str]:
    """One line for each question that no trial can answer."""
    found: list[str] = []
    longest = max((planned_epochs(spec) for spec in specs), default=0)
    for analysis in asked:
        if specs and all(_canonical(analysis.analysis, spec) is None for spec in specs):
            names = ", ".join(dict.fromkeys(spec.dataset.name for spec in specs))
            found.append(
                f"analyses.{analysis.analysis.name}: no trial can answer crop={analysis.analysis.values['crop']}: the"
                f" images of {names} have one size and are not cut"
            )
        if specs and (late := [epoch for epoch in analysis.epochs if epoch > longest]):
            found.append(
                f"analyses.{analysis.analysis.name}.epochs: no trial has more than {longest} epochs, so nothing is"
                f" asked after {', '.join(map(str, late))}"
            )
    return found


def _canonical(analysis: Component, spec: TrainSpec) -> Component | None:
    """The analysis as the trial can answer it; None where it cannot."""
    row, dataset = ANALYSES[analysis.name], DATASETS[spec.dataset.name]
    if row.examples != "test":
        return analysis
    values, idle = analysis.values, list[str]()
    if values.get("crop") is not None:
        if not dataset.streamed:
            return None
        if values["crop"] == spec.dataset.values.get("train_crop"):
            idle.append("crop")
    examples = values.get("examples")
    if isinstance(examples, int) and not dataset.streamed and examples >= dataset.test_count:
        idle.append("examples")
    if not idle:
        return analysis
    kept = {name: value for name, value in analysis.arguments.items() if name not in idle}
    return replace(analysis, arguments=kept, defaults={**analysis.defaults, **dict.fromkeys(idle, None)})
