"""A swept argument has its value wherever a trial is named, also where it is the component's own default."""

from resablate.component import Component
from resablate.figures.tables import replicates, trial_table
from resablate.figures.variants import arrange
from resablate.plan import plan_sweep
from resablate.result import failed_result
from resablate.sweep import parse_sweep


def test_a_swept_value_is_in_params_labels_legends_and_columns() -> None:
    axes = {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [0, -6], "seed": [0, 1]}
    plan = plan_sweep(parse_sweep({"name": "gates", "axes": axes}))
    *_, last = plan.trials
    assert last.shortcut == Component("exclusive_gate")  # -6 is the gate's own bias
    assert last.params()["shortcut.bias"] == -6
    assert plan.sweep.label(last) == "exclusive_gate bias -6 seed 1"
    assert plan.sweep.cell_label(last) == "exclusive_gate bias -6"

    results = [failed_result(spec, "not trained here") for spec in plan.trials]
    groups = replicates(results, axes=plan.sweep.swept)
    assert [group.fields["shortcut.bias"] for group in groups] == [None, -6, 0]
    legend = {member.series.label for member in arrange(results)}
    assert legend == {"identity", "exclusive_gate (bias=0)", "exclusive_gate (bias=-6)"}
    table = trial_table(results)
    column = list(table.columns).index("shortcut.bias")
    assert [row[column] for row in table.shown()] == ["-", "-", "0", "0", "-6", "-6"]
