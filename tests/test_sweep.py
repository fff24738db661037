import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from resablate.check import check_trial
from resablate.component import Component, as_yaml
from resablate.errors import SpecError
from resablate.spec import TrainSpec
from resablate.sweep import Range, SweepSpec, ValidPart, load_sweep, parse_sweep


def write(folder: Path, text: str, name: str = "x.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def make_sweep(**content: Any) -> SweepSpec:
    return parse_sweep({"name": "x", **content})


FILE = """
# A question
name: shapes
base: {ordering: full_preactivation, learning_rate: 1e-4}
axes:
  shortcut: [identity, exclusive_gate]
  shortcut.bias: [-3, -6.0, 0.01]
  regularizer.strength: [0, 1e-3]
search: {method: grid}
resources: {cpus: 2, gpus: 0.25}
"""


def test_a_file_becomes_points_with_the_last_axis_fastest(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, FILE))
    points = list(sweep.points())
    assert len(points) == sweep.grid_size == 2 * 3 * 2
    identity, gate = Component("identity"), Component("exclusive_gate")
    assert points[0] == {"shortcut": identity, "shortcut.bias": -3, "regularizer.strength": 0}
    assert points[1] == {"shortcut": identity, "shortcut.bias": -3, "regularizer.strength": 1e-3}
    assert points[-1] == {"shortcut": gate, "shortcut.bias": 0.01, "regularizer.strength": 1e-3}


def test_a_number_is_one_also_where_it_was_written_as_a_text(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, FILE.replace("1e-4", "'1e-4'").replace("1e-3", "'1e-3'")))
    assert sweep.trial({}).learning_rate == 1e-4
    fields = {"regularizer": "procrustes", **list(sweep.points())[-1]}
    checked = check_trial(TrainSpec.parse(fields)).regularizer
    assert checked.values["strength"] == 1e-3, "the type of an argument is known once its row is"


def test_a_point_changes_the_base() -> None:
    base = {"depth": 56, "shortcut": {"name": "constant_scale", "carried_factor": 0.3}}
    sweep = make_sweep(base=base, axes={"seed": [1, 2]})
    trial = sweep.trial({"seed": 2, "shortcut.added_factor": 1.0})
    assert (trial.depth, trial.seed) == (56, 2)
    assert trial.shortcut == Component("constant_scale", {"carried_factor": 0.3, "added_factor": 1.0})
    assert sweep.base["shortcut"] == Component("constant_scale", {"carried_factor": 0.3}), "the base is left alone"


def test_a_sweep_without_axes_is_one_trial() -> None:
    sweep = make_sweep()
    assert list(sweep.points()) == [{}]
    assert sweep.trial({}) == TrainSpec()


def test_empty_blocks_of_yaml_mean_nothing(tmp_path: Path) -> None:
    assert list(load_sweep(write(tmp_path, "name: x\nbase:\naxes:\n")).points()) == [{}]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"axes": {"seed": [0, 1], "schedule.milestones": [[0.5], []], "dataset.train_examples": [None, 5]}},
        {"axes": {"shortcut": ["identity", {"name": "exclusive_gate", "bias": -6}]}, "base": {"schedule": "constant"}},
        {
            "cases": [
                {"network": "resnet", "depth": 110},
                {"network": {"name": "vgg", "batch_norm": False}, "depth": 15},
            ]
        },
        {"analyses": {"lesion": [{"examples": 20}, {}], "spectrum": {"epochs": [0, 2]}, "test": {"crop": 320}}},
        {"analyses": {}},
        {"axes": {"learning_rate": {"low": 1e-3, "high": 1, "log": True}}, "search": {"method": "random", "trials": 3}},
        {"base": {"depth": 26}, "resources": {"cpus": 0.5, "gpus": 1}},
    ],
)
def test_a_sweep_survives_json(content: dict[str, Any]) -> None:
    sweep = make_sweep(**content)
    again = parse_sweep(json.loads(sweep.model_dump_json()))
    assert again == sweep
    assert again.model_dump(mode="json") == sweep.model_dump(mode="json")
    assert again.questions == sweep.questions
    if not any(isinstance(values, Range) for values in sweep.axes.values()):
        assert [again.trial(point) for point in again.points()] == [sweep.trial(point) for point in sweep.points()]


def test_one_mistake_in_one_value_is_one_line() -> None:
    with pytest.raises(SpecError) as caught:
        make_sweep(axes={"shortcut.bias": [-3, {"a": 1}]}, resources={"gpus": "lots"})
    assert len(caught.value.problems) == 2


def test_a_sweep_from_json_can_be_parsed_again() -> None:
    sweep = make_sweep(axes={"shortcut.bias": [-3, -6], "schedule.milestones": [[0.5], [0.2, 0.4]]})
    assert parse_sweep(json.loads(sweep.model_dump_json())) == sweep


def test_a_range_may_be_an_argument() -> None:
    assert make_sweep(axes={"shortcut.bias": {"low": -6, "high": "0"}}).axes == {"shortcut.bias": Range(low=-6, high=0)}


def test_resources_auto() -> None:
    assert make_sweep(resources="auto").resources.gpus == "auto"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"axes": {"learnin_rate": [1]}}, r"axes.learnin_rate: no such field; did you mean 'learning_rate'\? \(fields: "),
    ({"axes": {"depth": [20, 0]}}, "axes.depth: input should be greater than or equal to 1, got 0"),
    ({"axes": {"seed": []}}, "axes.seed: .*list of values or a range {low, high, log}, got an empty list"),
    ({"axes": {"seed": None}}, "axes.seed: .*got null"),
    ({"axes": {"shortcut": "identity"}}, "axes.shortcut: .*got 'identity'"),
    (
        {"axes": {"shortcut": {"name": "dropout"}}},
        r"axes.shortcut: an axis is a list; write \[{name: 'dropout'}\] for",
    ),
    ({"axes": {"seed": [0, 1, 0]}}, "axes.seed: duplicate value 0"),
    ({"axes": {"shortcut": ["dropout", {"name": "dropout"}]}}, "axes.shortcut: duplicate value dropout"),
    ({"axes": {"shortcut.bias": [-6, -6.0, -3]}}, "axes.shortcut.bias: duplicate value -6.0"),
    ({"axes": {"shortcut.bias": [{"a": 1}]}}, r"axes.shortcut.bias: bias must be a number, .*got {a: 1}"),
    ({"axes": {"shortcut": [3]}}, "axes.shortcut: a name, or {name: NAME, argument: value}, got 3"),
    ({"axes": {"depth.bias": [1]}}, r"axes.depth.bias: depth takes no arguments \(those that do: network, shortcut, "),
    ({"axes": {"shortcut.": [1]}}, "axes.shortcut.: the name of an argument must follow the dot"),
    ({"axes": {1: [1]}}, "axes.1: no such field"),
    ({"axes": {True: [1]}}, "axes.True: no such field"),
    ({"axes": {"analyses": [["lesion"]]}}, "axes.analyses: questions stand under `analyses`, beside axes"),
    ({"axes": {"seed": [1]}, "base": {"seed": 2}}, "axes.seed: also set in base; write it in one place"),
    ({"axes": [1]}, r"axes: must be a mapping from field to value, got \[1\]"),
    ({"base": "x"}, "base: must be a mapping from field to value, got 'x'"),
    ({"base": {"shorcut": "none"}}, "base.shorcut: no such field; did you mean 'shortcut'"),
    ({"base": {"float": 1}}, "base.float: no such field"),
    ({"base": {"depth": 0}}, "base.depth: input should be"),
    ({"base": {3: 1}}, "base.3: no such field"),
    ({"base": {"lesion.examples": 1}}, "base.lesion.examples: no such field"),
    ({"base": {"analyses": ["lesion"]}}, "base.analyses: questions stand under `analyses`, beside base"),
    ({"axes": {"learning_rate": {"low": 1, "high": 1}}}, "axes.learning_rate: low < high must hold, .*low=1.0, high=1"),
    ({"axes": {"learning_rate": {"low": 2, "high": 1}}}, "axes.learning_rate: low < high must hold"),
    ({"axes": {"shortcut.bias": {"low": 0, "high": 1, "log": True}}}, r"axes.shortcut.bias: 0 < low < high \(log\)"),
    ({"axes": {"learning_rate": {"low": 0.1}}}, "axes.learning_rate.high: field required"),
    ({"axes": {"learning_rate": {"low": 0.1, "high": 1, "lg": True}}}, "axes.learning_rate.lg: no such field"),
    ({"axes": {"learning_rate": {"low": 0.1, "high": math.inf}}}, "axes.learning_rate.high: .*finite.*got .inf"),
    ({"axes": {"learning_rate": {"low": 0, "high": 1}}}, "axes.learning_rate: .*greater than 0, got 0"),
    ({"axes": {"shortcut": {"low": 0, "high": 1}}}, "axes.shortcut: names have no range; write a list of them"),
    ({"cases": {"depth": 20}}, "cases: must be a list of mappings from field to value, .*got {depth: 20}"),
    ({"cases": [{"depth": 20}, {}]}, "cases: must be a list of mappings from field to value"),
    ({"cases": [{"depth": 20}, {"dept": 26}]}, r"cases\[1\].dept: no such field; did you mean 'depth'"),
    ({"cases": [{"depth": 0}, {"depth": 26}]}, r"cases\[0\].depth: input should be .*got 0"),
    (
        {"cases": [{"depth": 20}, {"analyses": 26}]},
        r"cases\[1\].analyses: questions stand under `analyses`, beside cases",
    ),
    ({"cases": [{"depth": 20}, {"depth": 26}, {"depth": 20}]}, r"cases\[2\]: the same as cases\[0\]; remove one"),
    (
        {"cases": [{"depth": 20}, {"depth": 26}], "axes": {"depth": [8, 14]}},
        "cases: depth is also an axis; write its values in one place",
    ),
    (
        {"cases": [{"depth": 20}, {"depth": 26}], "base": {"depth": 8}},
        "cases: every case sets depth, so base.depth has no effect; remove it there",
    ),
    (
        {"base": {"shortcut": {"name": "dropout", "rate": 0.1}}, "axes": {"shortcut.rate": [0, 0.5]}},
        "axes.shortcut.rate: also set inside base.shortcut; write it in one place",
    ),
    (
        {"axes": {"shortcut": ["none", {"name": "dropout", "rate": 0.1}], "shortcut.rate": [0, 0.5]}},
        "axes.shortcut.rate: also set inside axes.shortcut; write it in one place",
    ),
    (
        {"base": {"shortcut": {"name": "dropout", "rate": 0.1}, "shortcut.rate": 0.5}},
        "base.shortcut.rate: also set inside base.shortcut; write it in one place",
    ),
    (
        {"cases": [{"shortcut": {"name": "dropout", "rate": 0.1}}, {"depth": 8}], "axes": {"shortcut.rate": [0, 0.5]}},
        r"axes.shortcut.rate: also set inside cases\[0\].shortcut; write it in one place",
    ),
    (
        {"cases": [{"shortcut": {"name": "dropout", "rate": 0.1}}], "base": {"shortcut.rate": 0.5}},
        r"base.shortcut.rate: also set inside cases\[0\].shortcut; write it in one place",
    ),
    ({"analyses": 3}, "analyses: must be a mapping from analysis to its arguments, or a list of names, got 3"),
    ({"analyses": {"lesion": 3}}, "analyses.lesion: must be a mapping from argument to value, .*got 3"),
    ({"analyses": {"lesion": []}}, r"analyses.lesion: must be a mapping from argument to value, .*got \[\]"),
    ({"base": {"compile": "on"}}, "base.compile: must be true or false, got 'on'"),
    ({"axes": {"compile": [True, None]}}, "axes.compile: must be true or false, got null"),
    (
        {"axes": {"learning_rate": {"low": 0.1, "high": 1, "log": "yes"}}},
        "axes.learning_rate.log: must be true or false, got 'yes'",
    ),
    ({"axes": {"learning_rate": {"low": True, "high": 2}}}, "axes.learning_rate.low: must not be true .*, got true"),
    ({"search": {"trials": True}}, "search.trials: must not be true or false, got true"),
    ({"search": {"seeds": [0, True]}}, "search.seeds: must not be true or false, got true"),
    ({"analyses": {"lesion": {"examples": {"a": 1}}}}, "analyses.lesion: examples must be a number, .*got {a: 1}"),
    ({"analyses": {"lesion": [{}, {"examples": 5}, {}]}}, "analyses.lesion: the same arguments twice: lesion"),
    ({"analyses": {"spectrum": {"epochs": [5, 1]}}}, r"analyses.spectrum.epochs: must be rising .*, got \[5, 1\]"),
    ({"analyses": {"spectrum": {"epochs": [1, 1]}}}, r"analyses.spectrum.epochs: must be rising .*, got \[1, 1\]"),
    ({"analyses": {"spectrum": {"epochs": [-1]}}}, r"analyses.spectrum.epochs: must be rising .*, got \[-1\]"),
    ({"analyses": {"spectrum": {"epochs": "all"}}}, "analyses.spectrum.epochs: must be rising .*, got 'all'"),
    ({"analyses": {"a b": {}}}, "analyses.a b: name must be a name of letters, digits and _, got 'a b'"),
    ({"serch": {}}, "serch: no such field; did you mean 'search'"),
    ({"search": {"method": "grid", "trails": 3}}, "search.trails: no such field"),
    ({"search": {"trials": 0}}, "search.trials: .*greater than or equal to 1, got 0"),
    ({"resources": {"cpus": 0}}, "resources.cpus: .*greater than 0, got 0"),
    ({"resources": {"cpus": math.inf}}, "resources.cpus: .*finite number, got .inf"),
    ({"resources": {"gpus": -1}}, "resources.gpus: .*greater than or equal to 0 or .*'auto', got -1"),
    ({"resources": {"gpus": "lots"}}, "resources.gpus: .*'auto', got 'lots'"),
    ({"name": ""}, "name: .*got ''"),
    ({"name": "a" * 101}, "name: .*at most 100 characters"),
    ({"name": 7}, "name: .*string, got 7"),
]


@pytest.mark.parametrize(("content", "message"), MISTAKES, ids=[str(content) for content, _ in MISTAKES])
def test_a_mistake_is_named_with_place_rule_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"^here: \d problems?\n  {message}") as caught:
        parse_sweep({"name": "x", **content}, place="here")
    assert len({problem.partition(":")[0] for problem in caught.value.problems}) == 1


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", ".", "..", ".hidden", "-rf", "a b", "x\n", "$(x)", "\x00", "ä"]
)
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="name: string should match pattern"):
        parse_sweep({"name": name})


def test_a_name_is_needed() -> None:
    with pytest.raises(SpecError, match="name: field required"):
        parse_sweep({"axes": {"seed": [1]}})


def test_all_mistakes_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse_sweep(
            {
                "nam": "x",
                "base": {"depth": 0, "shorcut": "a", "seed": 3},
                "axes": {"sed": [1], "width": [], "epochs": [0, -1], "seed": [1]},
                "cases": [{"with": 1}, {"seed": 5}],
                "analyses": {"lesion": 3},
            },
            place="sweeps/x.yaml",
        )
    starts = [
        *("base.depth", "base.shorcut", "axes.sed", "axes.width", "axes.epochs", "axes.epochs", "cases[0].with"),
        *("axes.seed", "cases", "analyses.lesion", "name", "nam"),
    ]
    assert [problem.partition(":")[0] for problem in caught.value.problems] == starts
    assert str(caught.value).startswith("sweeps/x.yaml: 12 problems\n  base.depth: input")


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        ({"axes": {"seed": [1]}, "base": {"seed": 2}}, True),
        ({"analyses": {"lesion": 3}}, True),
        ({"cases": [{"depth": 20}, {"depth": 20}]}, True),
        ({"nam": 3}, True),
        ({"base": {"shorcut": "none"}}, False),
        ({"axes": {"depth": [20, 0]}}, False),
        ({"axes": {"learning_rate": {"low": 0.1, "high": 1}}, "search": {"method": "random", "trails": 3}}, False),
    ],
)
def test_what_is_left_without_the_mistakes(content: dict[str, Any], whole: bool) -> None:
    with pytest.raises(SpecError) as caught:
        make_sweep(**content)
    assert isinstance(caught.value.valid_part, ValidPart)
    assert caught.value.valid_part.whole == whole
    assert not any(isinstance(values, Range) for values in caught.value.valid_part.sweep.axes.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\naxes:\n  seed: [0, 1\nbase: {}\n", r"x.yaml: 1 problem\n  line 4, column 5: not valid YAML: "),
        ("name: x\n\tbase: {}\n", "line 2, column 1: not valid YAML"),
        ("name: x\nbase:\n  depth: 20\n  depth: 26\n", "line 4, column 3: not valid YAML: 'depth' is written twice"),
        ("name: x\naxes: {seed: [1], seed: [2]}\n", "line 2, column 19: not valid YAML: 'seed' is written twice"),
        ("? [a, b]\n: 1\n", r"line 1, column 3: not valid YAML: \['a', 'b'\] cannot be a key"),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1, column 7: not valid YAML: could not determine"),
        ("name: &a [*a]\n", "line 1, column 11: not valid YAML: recursive"),
        ("name: \x00\n", "not valid YAML: unacceptable character"),
        ("{" * 3000, "nested too deeply"),
        ("", "a sweep is a mapping with name, base and axes, but this file is empty"),
        ("- 1\n", "but this file is a list"),
        ("quickstart\n", "but this file is a str"),
    ],
)
def test_a_file_that_is_no_sweep(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_sweep(write(tmp_path, text))


def test_a_missing_file_names_its_neighbors(tmp_path: Path) -> None:
    write(tmp_path, FILE, "quickstart.yaml")
    with pytest.raises(SpecError, match=r"quikstart.yaml: no such sweep file; did you mean '.*quickstart.yaml'\?"):
        load_sweep(tmp_path / "quikstart.yaml")
    with pytest.raises(SpecError, match=r"no such sweep file$"):
        load_sweep(tmp_path / "nowhere" / "x.yaml")


def test_a_folder_and_a_binary_file_are_no_sweeps(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not readable as a text file"):
        load_sweep(tmp_path)
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"b.yaml: not readable as a text file"):
        load_sweep(tmp_path / "b.yaml")


def test_a_label_names_every_axis() -> None:
    sweep = make_sweep(
        base={"depth": 56}, axes={"shortcut": ["identity", "dropout"], "learning_rate": [0.1, 0.2], "seed": [0, 1]}
    )
    labels = [sweep.label(check_trial(sweep.trial(point))) for point in sweep.points()]
    assert len(set(labels)) == 8
    assert labels[0] == "identity learning_rate 0.1 seed 0"
    arguments = make_sweep(base={"shortcut": "dropout"}, axes={"shortcut.rate": [0.1, 0.2]})
    assert [arguments.label(arguments.trial(point)) for point in arguments.points()] == [
        "dropout rate 0.1",
        "dropout rate 0.2",
    ]
    written = make_sweep(axes={"shortcut": ["identity", {"name": "dropout", "rate": 0.1}], "schedule": ["steps"]})
    assert [written.label(written.trial(point)) for point in written.points()] == [
        "identity schedule steps",
        "dropout(rate=0.1) schedule steps",
    ]
    alone = make_sweep()
    assert alone.label(alone.trial({})) == alone.trial({}).label()


def test_a_label_is_short_where_a_value_was_drawn() -> None:
    drawn = make_sweep(axes={"learning_rate": {"low": 1e-3, "high": 1, "log": True}}, search="tpe")
    assert drawn.label(drawn.trial({"learning_rate": 0.0029668862880239543})) == "identity learning_rate 0.002967"


def test_cases_tie_values_together() -> None:
    cases = [{"network": "resnet", "depth": 110}, {"network": "vgg", "depth": 15}]
    sweep = make_sweep(base={"width": 8}, cases=cases, axes={"seed": [0, 1]})
    points = list(sweep.points())
    assert points == [{"case": 0, "seed": 0}, {"case": 0, "seed": 1}, {"case": 1, "seed": 0}, {"case": 1, "seed": 1}]
    assert sweep.grid_size == 4
    assert sweep.swept == ["network", "depth", "seed"]
    assert sweep.values(points[2]) == {"network": Component("vgg"), "depth": 15, "seed": 0}
    assert sweep.fields(points[0]) == {"width": 8, "network": Component("resnet"), "depth": 110, "seed": 0}
    trial = sweep.trial(points[1])
    assert (trial.network.name, trial.depth, trial.width, trial.seed) == ("resnet", 110, 8, 1)
    labels = [sweep.label(sweep.trial(point)) for point in points]
    assert labels[0] == "identity network resnet depth 110 seed 0"
    assert labels[2] == "vgg depth 15 seed 0"


def test_cases_need_not_set_the_same_fields() -> None:
    sweep = make_sweep(base={"depth": 20}, cases=[{"depth": 56}, {"width": 8}])
    assert [(sweep.trial(point).depth, sweep.trial(point).width) for point in sweep.points()] == [(56, 16), (20, 8)]


def test_a_case_may_set_an_argument_of_a_swept_component() -> None:
    cases = [{"shortcut.bias": -3, "width": 8}, {"shortcut.bias": -6, "width": 16}]
    sweep = make_sweep(cases=cases, axes={"shortcut": ["exclusive_gate", "shortcut_only_gate"]})
    biases = [sweep.trial(point).shortcut.arguments["bias"] for point in sweep.points()]
    assert biases == [-3, -3, -6, -6]


# --- questions


def asked(**content: Any) -> list[str]:
    return [str(question) for question in make_sweep(**content).questions]


def test_the_test_is_always_asked_first() -> None:
    assert asked() == ["test", "lesion", "path_gradient"]
    assert asked(analyses=None) == ["test"]
    assert asked(analyses={}) == ["test"]
    assert asked(analyses=["spectrum"]) == ["test", "spectrum"]
    assert asked(analyses={"lesion": None, "test": {"crop": 320}}) == ["test(crop=320)", "lesion"]
    assert asked(analyses={"test": [{"crop": 224}, {"crop": 320}]}) == ["test(crop=224)", "test(crop=320)"]


def test_arguments_and_epochs_of_questions() -> None:
    analyses = {"lesion": [{"examples": 20}, {"examples": 20, "arithmetic": "folded"}], "spectrum": {"epochs": [0, 5]}}
    assert asked(analyses=analyses) == [
        "test",
        "lesion(examples=20)",
        "lesion(arithmetic=folded, examples=20)",
        "spectrum after epoch 0",
        "spectrum after epoch 5",
        "spectrum",
    ]
    assert asked(analyses={"spectrum": {"epochs": 3}})[1:] == ["spectrum after epoch 3", "spectrum"]


def test_questions_are_no_part_of_what_is_trained() -> None:
    one, other = make_sweep(analyses={"lesion": {"examples": 5}}), make_sweep(analyses=None)
    assert one.trial({}).key == other.trial({}).key


# --- what else can be wrong


def test_yaml_anchors_can_be_merged(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\nbase: &b {depth: 20}\naxes: {}\nsearch: grid\nresources:\n")
    assert load_sweep(file).search.method == "grid"
    file.write_text("name: x\nbase:\n  <<: {depth: 26, width: 4}\n  depth: 20\n")
    assert load_sweep(file).base == {"depth": 20, "width": 4}


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {"gpu": 1},
            r"resources\.gpu: no such field; did you mean 'gpus'\? \(fields: cpus, gpus, .*, pack\)",
        ),
        ({"gpus": 1.5}, r"resources\.gpus: a part of one GPU or whole ones, got 1\.5"),
        ({"cpus": True}, r"resources\.cpus: must not be true or false, got true"),
        *(
            (
                {"pack": pack},
                rf"resources\.pack: auto, or the most .* from 1 on; got {re.escape(as_yaml(pack))}",
            )
            for pack in (0, -2, 1.5, True, "lots", [2])
        ),
    ],
)
def test_resources_that_cannot_be_are_refused(resources: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make_sweep(resources=resources)


def test_a_label_tells_arguments_that_values_of_an_axis_differ_in() -> None:
    sweep = parse_sweep(
        {
            "name": "x",
            "base": {"dataset.train_examples": 300},
            "axes": {"optimizer": [{"name": "sgd", "momentum": 0.5}, "sgd"], "dataset": ["digits"]},
        }
    )
    labels = [sweep.label(sweep.trial(point)) for point in sweep.points()]
    assert labels == ["identity optimizer sgd(momentum=0.5) dataset digits", "identity optimizer sgd dataset digits"]
