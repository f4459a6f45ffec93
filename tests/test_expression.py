"""Conditions over columns mean what Python makes of them, row by row; whatever else is written is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable
from blinkspot.localization.column_names import BY_TITLE, our_name
from blinkspot.localization.processing import Filter
from blinkspot.localization.processing.expression import MOST_CHARACTERS, parse_expression
from blinkspot.localization.table import COLUMNS, OPTIONAL_COLUMNS
from blinkspot.progress import finish

NAMES = ("photons", "x_nm", "sigma_nm")
FUNCTIONS = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
    "min": np.minimum,
    "max": np.maximum,
}


def pairs(ours, python):
    return st.tuples(ours, python)


# Each strategy draws (as a user writes it, as Python has it with every bracket).
ATOMS = st.one_of(
    st.sampled_from(NAMES).map(lambda name: (name, name)),
    st.integers(0, 30).map(lambda number: (str(number), f"float64({number})")),
    st.floats(0, 1e3, allow_nan=False).map(lambda number: (repr(number), f"float64({number!r})")),
)


def larger_numbers(numbers):
    def joined(drawn):
        (one, one_python), operator, (other, other_python) = drawn
        return f"({one} {operator} {other})", f"(({one_python}) {operator} ({other_python}))"

    def called(drawn):
        name, (one, one_python), (other, other_python) = drawn
        if name in ("min", "max"):
            return f"{name}({one}, {other})", f"{name}({one_python}, {other_python})"
        return f"{name}({one})", f"{name}({one_python})"

    return st.one_of(
        st.tuples(numbers, st.sampled_from(["+", "-", "*", "/", "**"]), numbers).map(joined),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), numbers, numbers).map(called),
        numbers.map(lambda number: (f"(-{number[0]})", f"(-({number[1]}))")),
    )


NUMBERS = st.recursive(ATOMS, larger_numbers, max_leaves=5)


def compared(drawn):
    values, signs = drawn
    texts, pythons = zip(*values, strict=True)
    ours = texts[0] + "".join(f" {sign} {text}" for sign, text in zip(signs, texts[1:], strict=False))
    links = []
    for one, sign, other in zip(pythons, signs, pythons[1:], strict=False):
        # What is not known differs from nothing.
        links.append(f"({one} < {other} or {one} > {other})" if sign == "!=" else f"({one} {sign} {other})")
    return ours, " and ".join(links)


COMPARISONS = st.integers(2, 3).flatmap(
    lambda n: st.tuples(
        st.lists(NUMBERS, min_size=n, max_size=n),
        st.lists(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), min_size=n - 1, max_size=n - 1),
    ).map(compared)
)


def larger_conditions(conditions):
    bracketed = conditions.map(lambda one: (f"({one[0]})", f"({one[1]})"))
    # Comparisons need no brackets beside & and |, in whatever words.
    operand = st.one_of(COMPARISONS, bracketed)

    def joined(drawn):
        (one, one_python), (sign, word), (other, other_python) = drawn
        return f"{one} {sign} {other}", f"({one_python}) {word} ({other_python})"

    signs = st.sampled_from(
        [("&", "and"), ("and", "and"), ("&&", "and"), ("|", "or"), ("or", "or"), ("||", "or")]
    )
    negated = st.tuples(st.sampled_from(["~", "not ", "!"]), operand).map(
        lambda drawn: (f"{drawn[0]}{drawn[1][0]}", f"not ({drawn[1][1]})")
    )
    return st.one_of(st.tuples(operand, signs, operand).map(joined), negated)


CONDITIONS = st.recursive(COMPARISONS, larger_conditions, max_leaves=4)
ROWS = st.lists(
    st.tuples(*[st.one_of(st.floats(-100, 100), st.just(np.nan), st.integers(0, 5).map(float))] * 3),
    min_size=1,
    max_size=5,
)


@given(CONDITIONS, ROWS)
@settings(max_examples=300, deadline=None)
def test_a_condition_holds_where_it_holds_in_python(condition, rows):
    ours, python = condition
    if len(ours) > MOST_CHARACTERS:
        return
    columns = dict(zip(NAMES, np.array(rows).T, strict=True))
    found = parse_expression(ours).holds(columns)
    names = {**FUNCTIONS, "float64": np.float64}
    with np.errstate(all="ignore"):
        expected = [
            bool(eval(python, {**names, **dict(zip(NAMES, map(np.float64, row), strict=True))}))
            for row in rows
        ]
    assert found.dtype == np.bool_
    assert found.tolist() == expected


def kept(text, **columns):
    full = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    return parse_expression(text).holds(full).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What Python would take for a > (1 & b) < 4.
        ("photons > 1 & sigma < 4", [False, True, False]),
        ("(photons > 1) & (sigma < 4)", [False, True, False]),
        ("photons = 1 | sigma > 4 & photons > 2", [True, False, True]),
        ("~photons > 1", [True, False, False]),
        ("~(photons > 1) | sigma >= 5", [True, False, True]),
        ("1 < photons < 3", [False, True, False]),
        ("photons^2 > 3.9", [False, True, True]),
        ("-photons^2 < -3.9", [False, True, True]),
        ("2 ** 3 ** 0 < photons", [False, False, True]),
        ("1 < 2", [True, True, True]),
        ("  photons\t>\n1", [False, True, True]),
        ("007 > 6.5 & 1e0 <= .5e1 & photons != 2", [True, False, True]),
        ("min(photons, sigma, 2) == 2", [False, True, True]),
    ],
)
def test_what_is_written_is_what_is_meant(text, expected):
    assert kept(text, photons=[1, 2, 3], sigma_nm=[3, 3, 5]) == expected


def test_nan_meets_no_comparison():
    for sign in ("<", "<=", ">", ">=", "==", "!="):
        assert kept(f"photons {sign} 1", photons=[np.nan]) == [False]
    assert kept("0 / photons == 1", photons=[0.0]) == [False]
    assert kept("1 / photons > 1e300", photons=[0.0]) == [True]


def test_aliases_are_columns():
    assert {column.name for column in BY_TITLE.values()} <= {*COLUMNS, *OPTIONAL_COLUMNS}
    for name in (*COLUMNS, *OPTIONAL_COLUMNS):
        assert our_name(name) == name
    assert parse_expression("intensity > 1 & uncertainty_xy < x").columns == (
        "photons",
        "uncertainty_nm",
        "x_nm",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("photons", "character 1 of 'photons': a condition"),
        ("photons > 1 & sigma", "character 15 .* a condition"),
        ("photons + (x > 1) > 2", "character 12 .* a number is needed"),
        ("(x > 1) > 2", "a number is needed"),
        ("photons >", "character 10 of .photons >.: something is missing at its end"),
        ("photons > > 1", "character 11 .* cannot be understood"),
        ("(photons > 1", "cannot be understood"),
        ("photons > 1)", "cannot be understood"),
        ("photons > 'a'", 'character 11 .*"\'" has no meaning'),
        ("photons > 1; x > 2", "character 12 .*';' has no meaning"),
        ("photons.size > 1", r"'\.' has no meaning"),
        ("photons[0] > 1", r"'\[' has no meaning"),
        ("photons > 1 # all", "'#' has no meaning"),
        ("φ > 1", "'φ' has no meaning"),
        ("photons > 1\0", "has no meaning"),
        ("photons > 0x10", "has no meaning"),
        ("photons > 1e", "has no meaning"),
        ("photons > True", "may not stand|cannot be"),
        ("photons in x", "may not stand"),
        ("photons is x", "may not stand"),
        ("photons // 2 > 1", "may not stand"),
        ("photons % 2 > 1", "'%' has no meaning"),
        ("(lambda: 1)() > 1", "':' has no meaning"),
        ("open(x) > 1", "character 1 .* no function open; there are abs, sqrt"),
        ("sqrt(x, y) > 1", "sqrt takes one value, not 2"),
        ("max(x) > 1", "max takes two values or more, not 1"),
        ("max(x, y=1) > 1", "a number is needed"),
        ("max(*x) > 1", "takes two"),
        ("x if x > 1 else y > 2", "may not stand"),
        ("x, y > 1", "may not stand"),
        ("x for x", "cannot be understood"),
        ("(x > 1)(2)", "condition"),
        ("x > 1 and await x", "cannot be understood|may not stand"),
    ],
)
def test_anything_else_gets_one_sentence_that_points_at_it(text, words):
    with pytest.raises(BlinkspotError, match=words) as caught:
        parse_expression(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "x > 1" + ")" * 5000,
        "(" * 300 + "x" + ")" * 300 + " > 1",
        "-" * 1000 + "x > 1",
        "~" * 1000 + "x > 1",
        "not " * 400 + "x > 1",
        "x > " + "2**" * 600 + "2",
        "x > " + "abs(" * 200 + "x" + ")" * 200,
        "x > " + "1+" * 900 + "1",
        "x > 1 &" * 250,
        "9" * 1900 + " > x >",
        "x" * 10**6,
    ],
    ids=range(11),
)
def test_no_text_hangs_or_crashes(text):
    with pytest.raises(BlinkspotError) as caught:
        parse_expression(text)
    assert len(str(caught.value)) < 250


def test_large_powers_and_numbers_are_done_at_once():
    assert kept("9 ** 9 ** 9 > x & 1e999 > x & " + "9" * 1000 + " > x", x_nm=[1.0]) == [True]


@given(st.text("xy_photns0123456789.eE+-*/()<>&|~!^=, \n'\"[]{}:;@%andort", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_condition_or_one_sentence(text):
    try:
        parsed = parse_expression(text)
    except BlinkspotError:
        return
    columns = {name: np.array([1.0, np.nan]) for name in (*parsed.columns, "x_nm")}
    assert parsed.holds(columns).shape == (2,)


def test_a_filter_keeps_the_rows_and_their_order():
    table = LocalizationTable.from_columns(
        {"frame": [3, 1, 2], "x_nm": [1.0, 2.0, 3.0], "y_nm": [0.0] * 3, "photons": [np.nan, 300.0, 100.0]}
    )
    found = finish(Filter("intensity >= 100 & frame < 3").apply(table))
    assert found.column("x_nm").tolist() == [2.0, 3.0]
    assert len(table) == 3
