"""Keep the localizations inside a region of interest, or those outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.paced import in_parts, rows_where
from blinkspot.localization.processing.settings import check_choice, check_number, setting
from blinkspot.localization.processing.step import Step, recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
Side = Literal["inside", "outside"]

_FARTHEST_NM = 1e12


@dataclass(frozen=True)
class Rectangle:
    """Keep what lies inside a rectangle, or outside.

    Attributes
    ----------
    x_from_nm, x_to_nm, y_from_nm, y_to_nm : float
        Inside is ``x_from_nm <= x < x_to_nm``, and y alike: of tiles that touch, each position is in one.
    keep : {"inside", "outside"}

    Raises
    ------
    BlinkspotError
        If a side is not a number, or the rectangle is empty.
    """

    name: ClassVar[str] = "rectangle"

    x_from_nm: float = setting(-_FARTHEST_NM, "left side", "nm")
    x_to_nm: float = setting(_FARTHEST_NM, "right side", "nm")
    y_from_nm: float = setting(-_FARTHEST_NM, "upper side", "nm")
    y_to_nm: float = setting(_FARTHEST_NM, "lower side", "nm")
    keep: Literal["inside", "outside"] = setting("inside", "what is kept")

    def __post_init__(self) -> None:
        for side in ("x_from_nm", "x_to_nm", "y_from_nm", "y_to_nm"):
            check_number(self.name, side, getattr(self, side), -_FARTHEST_NM, _FARTHEST_NM)
        for low, high in (("x_from_nm", "x_to_nm"), ("y_from_nm", "y_to_nm")):
            if not getattr(self, low) < getattr(self, high):
                raise BlinkspotError(f"rectangle: {low} must be smaller than {high}.")
        check_choice(self.name, "keep", self.keep, get_args(Side))

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return what lies on the side that is kept; see :class:`.step.Step`."""

        def inside(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
            return (x >= self.x_from_nm) & (x < self.x_to_nm) & (y >= self.y_from_nm) & (y < self.y_to_nm)

        return _kept(self, table, inside, self.keep)


@dataclass(frozen=True)
class Polygon:
    """Keep what lies inside a polygon, or outside.

    Attributes
    ----------
    vertices_nm : tuple of (x, y)
        Three or more, in order; the last is joined to the first. Where the outline crosses itself, inside is
        what a ray leaves by crossing it an odd number of times.
    keep : {"inside", "outside"}

    Raises
    ------
    BlinkspotError
        If there are fewer than three vertices, or one is not two numbers.
    """

    name: ClassVar[str] = "polygon"

    vertices_nm: tuple[tuple[float, float], ...] = setting((), "corners, x,y;x,y;x,y and so on", "nm")
    keep: Literal["inside", "outside"] = setting("inside", "what is kept")

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices_nm", _as_vertices(self.vertices_nm))
        check_choice(self.name, "keep", self.keep, get_args(Side))

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return what lies on the side that is kept; see :class:`.step.Step`."""
        outline = Outline(np.array([*self.vertices_nm, self.vertices_nm[0]]), closed=True)

        def inside(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
            return np.asarray(outline.contains_points(np.column_stack((x, y))), dtype=np.bool_)

        return _kept(self, table, inside, self.keep)


def _as_vertices(given: Any) -> tuple[tuple[float, float], ...]:
    try:
        vertices = tuple((float(x), float(y)) for x, y in given)
    except (TypeError, ValueError) as error:
        raise BlinkspotError(
            "polygon: vertices_nm must be pairs of numbers, such as 0,0;1000,0;500,800."
        ) from error
    if len(vertices) < 3 or not all(math.isfinite(value) for vertex in vertices for value in vertex):
        raise BlinkspotError(
            f"polygon: vertices_nm must be three corners or more of finite numbers, not {len(vertices)}."
        )
    return vertices


def _kept(
    step: Step,
    table: LocalizationTable,
    inside: Callable[[FloatArray, FloatArray], NDArray[np.bool_]],
    keep: Side,
) -> Generator[Progress, None, LocalizationTable]:
    clock = Stopwatch("choosing a region", 1.0)
    x, y = table.column("x_nm"), table.column("y_nm")
    wanted = np.empty(len(table), dtype=np.bool_)

    def judge(part: slice) -> None:
        wanted[part] = inside(x[part], y[part]) == (keep == "inside")

    yield clock.at(0.0)
    yield from in_parts(judge, len(table), clock)
    kept = yield from rows_where(table, wanted, clock)
    return recorded(step, table, kept)
