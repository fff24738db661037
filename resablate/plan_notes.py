"""What a reader of a planned sweep should know: trainings that fall together, rounds, what is not as published."""

from __future__ import annotations

from collections.abc import Sequence

from resablate.argument_takers import ArgumentTakers
from resablate.claims.family import rounds_family, rounds_notes
from resablate.claims.own_in_rounds import own_note
from resablate.claims.sweep_comparisons import effects_of
from resablate.idle_axes import idle_axes_notes, idle_values_notes
from resablate.model import NETWORKS
from resablate.pack_notes import pack_notes
from resablate.registry import keyword_defaults
from resablate.searches import is_adaptive
from resablate.searches.objectives import objective_note
from resablate.spec import TrainSpec
from resablate.sweep import Point, SweepSpec


def plan_notes(
    sweep: SweepSpec, takers: ArgumentTakers, trials: Sequence[TrainSpec], *, points: Sequence[Point], asked_for: int
) -> list[str]:
    """What a reader of the sweep should know, one line each.

    Args:
        sweep: without a mistake.
        takers: of its arguments.
        trials: its different trainings, or some of those that a search may propose.
        points: what they come from.
        asked_for: how many trainings these points ask for.
    """
    notes = [*takers.notes(), *idle_axes_notes(sweep, points), *idle_values_notes(sweep, points)]
    if asked_for > len(trials):
        notes.append(f"{asked_for} points make {len(trials)} different trials; the others would repeat one of these")
    if is_adaptive(sweep.search.method):
        notes.append(f"{sweep.search.method} proposes the trials one by one, such as these")
    if sweep.search.method != "grid":
        notes += [note for name in sweep.search.minimize if (note := objective_note(name, sweep.analyses))]
    if sweep.seeds and (decided := rounds_family([sweep], trials, sweep.analyses)):
        notes += rounds_notes(decided, sweep.seeds, trials)
        if not decided.has_own and (effects := effects_of(sweep, trials)):
            notes.append(own_note(effects, list(decided.claims), left=False))
    proposed = (sweep.search.trials or 0) * len(sweep.point_seeds or [0]) if is_adaptive(sweep.search.method) else 0
    notes += pack_notes(trials, sweep.resources, proposed=proposed)
    if seeds := sweep.new_seeds:
        notes.append(
            f"search.replicate: the winner by {sweep.search.minimize[0]} and the baseline are trained with seeds"
            f" {seeds[0]} to {seeds[-1]}, which the search never uses, once it has ended: {2 * len(seeds)} trainings"
        )
    if best := sweep.search.analyze_best:
        notes.append(f"analyses are asked of the best {best} points alone, by {sweep.search.minimize[0]}, at the end")
    networks = dict.fromkeys(spec.network.name for spec in trials)
    return notes + [note for network in networks if (note := _unlike_published(sweep, network))]


def _unlike_published(sweep: SweepSpec, network: str) -> str:
    """What the sweep does not write and would not be as in the network's papers; empty where all is."""
    build = keyword_defaults(NETWORKS[network].build)
    unwritten = {"depth", "width"} - sweep.base.keys() - set(sweep.swept)
    defaults = {name: TrainSpec.model_fields[name].default for name in sorted(unwritten) if name in build}
    other = {name: value for name, value in defaults.items() if value != build[name]}
    told = ", ".join(f"{name} {value} (published: {build[name]})" for name, value in other.items())
    return f"{network} is built with {told}, as the sweep writes nothing else" if told else ""
