"""Values of arguments against annotations of every kind that rows use."""

import math
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Interval

from resablate.argument_types import checked_argument
from resablate.registry import Registry

FILLS: Registry[str] = Registry("fill", "fills", {"zero": "zeros move in", "reflect": "a mirror"})
SHARE = Annotated[float, Interval(ge=0, lt=1)]
COUNT = Annotated[int | None, Ge(1)]
TARGET = Annotated[str | Annotated[float, Gt(0)] | None, FILLS]
PARTS = tuple[Annotated[float, Interval(gt=0, lt=1)], ...]
FILL = Annotated[str, FILLS]


@pytest.mark.parametrize(
    ("hint", "value", "kept"),
    [
        (float, -6, -6.0),
        (float, "-6", -6.0),
        (float, "1e-4", 1e-4),
        (SHARE, 0, 0.0),
        (int, 4.0, 4),
        (int, "4", 4),
        (COUNT, None, None),
        (COUNT, 1, 1),
        (bool, True, True),
        (bool, False, False),
        (bool | None, None, None),
        (FILL, "reflect", "reflect"),
        (TARGET, "zero", "zero"),
        (TARGET, 0.5, 0.5),
        (TARGET, 2, 2.0),
        (TARGET, "1e-3", 1e-3),
        (TARGET, None, None),
        (PARTS, [0.25, 0.5], (0.25, 0.5)),
        (PARTS, (), ()),
        (PARTS, "0.25, 0.5", (0.25, 0.5)),
        (PARTS, "", ()),
    ],
)
def test_a_value_that_fits_is_as_the_row_holds_it(hint: Any, value: Any, kept: Any) -> None:
    checked = checked_argument(hint, None, value)
    assert checked == kept
    assert type(checked) is type(kept)
    assert checked_argument(hint, None, checked) == kept, "it stays as it is"


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (float, "low", "must be a number, got 'low'"),
        (float, None, "must be a number, got null"),
        (float, [1], r"must be a number, got \[1\]"),
        (float, True, "must not be true or false, got true"),
        (float, math.inf, "must be a finite number, got .inf"),
        (float, "nan", "must be a finite number, got 'nan'"),
        (SHARE, 1, "must be less than 1, got 1"),
        (SHARE, -1, "must be greater than or equal to 0, got -1"),
        (int, 1.5, "must be a whole number, got 1.5"),
        (int, "many", "must be a whole number, got 'many'"),
        (int, False, "must not be true or false, got false"),
        (COUNT, 0, "must be greater than or equal to 1, got 0"),
        (COUNT, "all", "must be a whole number, got 'all'"),
        (bool, 1, "must be true or false, got 1"),
        (bool, "yes", "must be true or false, got 'yes'"),
        (bool, None, "must be true or false, got null"),
        (str, 3, "must be a text, got 3"),
        (FILL, "zeros", r"must be one of zero, reflect, got 'zeros'; did you mean 'zero'\?"),
        (FILL, 3, "must be one of zero, reflect, got 3"),
        (TARGET, "sideways", "must be one of zero, reflect, got 'sideways'"),
        (TARGET, 0, "must be one of zero, reflect or greater than 0, got 0"),
        (TARGET, True, "must not be true or false, got true"),
        (PARTS, 0.5, "must be a list, got 0.5"),
        (PARTS, [0.5, 1], r"must be less than 1, got \[0.5, 1\]"),
        (PARTS, [0.5, "x"], r"must be a number, got \[0.5, 'x'\]"),
        (PARTS, [2, 3], r"must be less than 1, got \[2, 3\]"),
        (PARTS, "a", "must be a number, got 'a'"),
    ],
)
def test_a_value_that_does_not_fit_is_told_its_rule(hint: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{message}$"):
        checked_argument(hint, None, value)


@pytest.mark.parametrize(
    ("default", "value", "kept"), [(0.5, 2, 2), (3, 4, 4), (True, False, False), ("x", "y", "y"), (None, 3, 3)]
)
def test_without_an_annotation_the_default_tells(default: Any, value: Any, kept: Any) -> None:
    assert checked_argument(None, default, value) == kept


@pytest.mark.parametrize(
    ("default", "value", "message"),
    [
        (True, 1, "must be true or false, got 1"),
        (0.5, True, "must not be true or false, got true"),
        (0.5, "x", "must be a number, got 'x'"),
        ("x", True, "must not be true or false, got true"),
    ],
)
def test_without_an_annotation_another_kind_is_refused(default: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_argument(None, default, value)
