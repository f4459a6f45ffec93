"""Conditions over a table's columns, as a user writes them: ``photons > 200 & uncertainty_nm < 25``.

The text is parsed, checked against the short list of what may stand in it, and worked out by numpy; it is
never handed to Python to run.

``&``, ``|`` and ``~`` mean ``and``, ``or`` and ``not``, and bind as those do: more weakly than comparisons.
So ``a > 1 & b < 2`` is ``(a > 1) & (b < 2)``, as in ThunderSTORM, and the brackets that pandas needs may be
written and change nothing. ``^`` is the power and ``=`` equality, as in ThunderSTORM.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.column_names import our_name

Values = NDArray[Any]

MOST_CHARACTERS = 2000
MOST_LEVELS = 60

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|&&|\|\||<=|>=|==|!=|[-+*/()<>&|~!^=,])",
    re.ASCII,
)
_AS_PYTHON = {
    "&": " and ",
    "&&": " and ",
    "|": " or ",
    "||": " or ",
    "~": " not ",
    "!": " not ",
    "^": "**",
    "=": "==",
}
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    # What is not known differs from nothing.
    ast.NotEq: lambda one, other: (one < other) | (one > other),
}
_COMBINED: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_OF_ONE: dict[str, Callable[[Any], Any]] = {"abs": np.abs, "sqrt": np.sqrt, "log": np.log, "exp": np.exp}
_OF_SEVERAL: dict[str, Callable[[Any, Any], Any]] = {"min": np.minimum, "max": np.maximum}
_WORDS = ("and", "or", "not")


@dataclass(frozen=True)
class _Source:
    """What the user wrote, and where each character of its Python version comes from."""

    text: str
    python: str
    places: tuple[int, ...]

    def error(self, what: str, column: int) -> BlinkspotError:
        place = self.places[min(column, len(self.places) - 1)]
        return _error(self.text, what, place)


@dataclass(frozen=True)
class Expression:
    """A condition over columns, parsed and found to be sound.

    Attributes
    ----------
    text : str
        As the user wrote it.
    columns : tuple of str
        Columns that it needs, by our names.
    """

    text: str
    columns: tuple[str, ...]
    _condition: ast.expr

    def holds(self, columns: Mapping[str, Values]) -> NDArray[np.bool_]:
        """Tell for each row whether the condition holds.

        A comparison with NaN does not hold, ``!=`` neither. Nothing raises: 1 / 0 is infinite, 0 / 0 NaN.

        Parameters
        ----------
        columns : mapping of ndarray, each of shape (n,)
            At least those in :attr:`columns`.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        n = len(next(iter(columns.values())))
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(_worked_out(self._condition, columns), dtype=np.bool_), (n,))


def parse_expression(text: str) -> Expression:
    """Parse a condition over columns.

    Parameters
    ----------
    text : str
        Comparisons (``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``, also chained) of what is made of columns,
        numbers, ``+ - * / **``, brackets, ``abs``, ``sqrt``, ``log``, ``exp``, ``min`` and ``max``, joined by
        ``and``, ``or``, ``not`` (or ``&``, ``|``, ``~``, see the module).

    Raises
    ------
    BlinkspotError
        If anything else stands in it, or it is too long or nested too deep; the sentence points at the place.
    """
    if not isinstance(text, str) or not text.strip():
        raise BlinkspotError("The filter's condition is empty: write one such as 'photons > 200'.")
    if len(text) > MOST_CHARACTERS:
        raise BlinkspotError(
            f"The filter's condition has {len(text)} characters and may have {MOST_CHARACTERS}: filter twice."
        )
    source = _as_python(text)
    try:
        condition = ast.parse(source.python, mode="eval").body
    except SyntaxError as error:
        if not error.offset:
            raise source.error("something is missing at its end", len(source.python)) from error
        raise source.error("it cannot be understood", error.offset - 1) from error
    except (MemoryError, RecursionError) as error:
        raise source.error("it is nested too deep", 0) from error
    names: dict[str, None] = {}
    _check(condition, source, names, True, 0)
    return Expression(text, tuple(names), condition)


def _error(text: str, what: str, place: int) -> BlinkspotError:
    start, stop = max(0, place - 20), place + 20
    around = f"{'...' if start else ''}{text[start:stop]}{'...' if stop < len(text) else ''}"
    around = " ".join(around.split())
    return BlinkspotError(f"In the filter's condition, at character {place + 1} of {around!r}: {what}.")


def _as_python(text: str) -> _Source:
    written: list[str] = []
    places: list[int] = []
    position = level = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text, f"{text[position]!r} has no meaning there", position)
        token = match[0]
        level += (token == "(") - (token == ")")
        if level > MOST_LEVELS:
            raise _error(text, f"brackets are nested more than {MOST_LEVELS} deep", position)
        if match["number"]:
            # Python knows no 007, and its whole numbers would grow without end.
            token = repr(float(token)) if np.isfinite(float(token)) else "1e999"
        python = " " if match["space"] else _AS_PYTHON.get(token, token)
        written.append(python)
        places.extend([position] * len(python))
        position = match.end()
    # A blank at the start would be an indentation to Python.
    lead = len("".join(written)) - len("".join(written).lstrip())
    return _Source(text, "".join(written)[lead:].rstrip(), (*places[lead:], len(text)))


def _check(node: ast.expr, source: _Source, names: dict[str, None], condition: bool, level: int) -> None:
    """Check that a node is a condition, or else a number, made of what is allowed; collect the columns."""
    place = node.col_offset
    if level > MOST_LEVELS:
        raise source.error(f"it is nested more than {MOST_LEVELS} deep", place)
    if isinstance(node, (ast.BoolOp, ast.Compare)) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    ):
        if not condition:
            raise source.error("a number is needed there, not a condition", place)
    elif condition and isinstance(node, (ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call)):
        raise source.error("a condition such as 'photons > 200' is needed there, not a number", place)
    match node:
        case ast.BoolOp(values=operands):
            wants_conditions = True
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            operands, wants_conditions = [operand], True
        case ast.Compare(left=left, ops=kinds, comparators=others) if all(
            type(k) in _COMPARED for k in kinds
        ):
            operands, wants_conditions = [left, *others], False
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _COMBINED:
            operands, wants_conditions = [left, right], False
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            operands, wants_conditions = [operand], False
        case ast.Constant(value=float()):
            return
        case ast.Name(id=name):
            names[our_name(name)] = None
            return
        case ast.Call(func=ast.Name(id=name), args=operands, keywords=[]):
            wants_conditions = False
            if name not in _OF_ONE and name not in _OF_SEVERAL:
                known = ", ".join((*_OF_ONE, *_OF_SEVERAL))
                raise source.error(f"there is no function {name}; there are {known}", place)
            if name in _OF_ONE and len(operands) != 1:
                raise source.error(f"{name} takes one value, not {len(operands)}", place)
            if name in _OF_SEVERAL and len(operands) < 2:
                raise source.error(f"{name} takes two values or more, not {len(operands)}", place)
        case _:
            raise source.error("that may not stand in a condition", place)
    for operand in operands:
        _check(operand, source, names, wants_conditions, level + 1)


def _worked_out(node: ast.expr, columns: Mapping[str, Values]) -> Any:
    """Work a checked node out: an array, or a number where it holds no column."""

    def value(operand: ast.expr) -> Any:
        return _worked_out(operand, columns)

    match node:
        case ast.BoolOp(op=kind, values=operands):
            return reduce(
                np.logical_and if isinstance(kind, ast.And) else np.logical_or, map(value, operands)
            )
        case ast.UnaryOp(op=kind, operand=operand):
            found = value(operand)
            if isinstance(kind, ast.Not):
                return np.logical_not(found)
            return -found if isinstance(kind, ast.USub) else found
        case ast.Compare(left=left, ops=kinds, comparators=others):
            values = [value(left), *map(value, others)]
            pairs = zip(kinds, values[:-1], values[1:], strict=True)
            return reduce(np.logical_and, [_COMPARED[type(kind)](one, other) for kind, one, other in pairs])
        case ast.BinOp(left=left, op=kind, right=right):
            return _COMBINED[type(kind)](value(left), value(right))
        case ast.Call(func=ast.Name(id=name), args=operands):
            found = [value(operand) for operand in operands]
            return _OF_ONE[name](found[0]) if name in _OF_ONE else reduce(_OF_SEVERAL[name], found)
        case ast.Name(id=name):
            return columns[our_name(name)]
        case ast.Constant(value=float(number)):
            return np.float64(number)
    raise AssertionError(ast.dump(node))
