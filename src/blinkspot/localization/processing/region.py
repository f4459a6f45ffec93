"""Keep the localizations inside a region of interest, or those outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.rows import rows_where
from blinkspot.localization.processing.settings import check_choice, check_number, setting
from blinkspot.localization.processing.step import Step, recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.paced import in_parts
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
Side = Literal["inside", "outside"]

_FARTHEST_NM = 1e12
_SIDES = (("x_from_nm", "x_to_nm"), ("y_from_nm", "y_to_nm"))


@dataclass(frozen=True)
class Rectangle:
    """Keep what lies inside a rectangle, or outside.

    Attributes
    ----------
    x_from_nm, x_to_nm, y_from_nm, y_to_nm : float or None
        Inside is ``x_from_nm <= x < x_to_nm``, and y alike: of tiles that touch, each position is in one.
        None: open on that side.
    keep : {"inside", "outside"}

    Raises
    ------
    BlinkspotError
        If a side is not a number, or the rectangle is empty.
    """

    name: ClassVar[str] = "rectangle"

    x_from_nm: float | None = setting(None, "left side; none: open", "nm")
    x_to_nm: float | None = setting(None, "right side; none: open", "nm")
    y_from_nm: float | None = setting(None, "upper side; none: open", "nm")
    y_to_nm: float | None = setting(None, "lower side; none: open", "nm")
    keep: Literal["inside", "outside"] = setting("inside", "what is kept")

    def __post_init__(self) -> None:
        make_plain(self)
        for side in ("x_from_nm", "x_to_nm", "y_from_nm", "y_to_nm"):
            if getattr(self, side) is not None:
                check_number(self.name, side, getattr(self, side), -_FARTHEST_NM, _FARTHEST_NM)
        for (low, high), (start, stop) in zip(_SIDES, self._spans, strict=True):
            if not start < stop:
                raise BlinkspotError(f"rectangle: {low} must be smaller than {high}.")
        check_choice(self.name, "keep", self.keep, get_args(Side))

    @property
    def _spans(self) -> list[tuple[float, float]]:
        """From where to where, in x and in y."""
        return [
            (-math.inf if low is None else low, math.inf if high is None else high)
            for low, high in ((self.x_from_nm, self.x_to_nm), (self.y_from_nm, self.y_to_nm))
        ]

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return what lies on the side that is kept; see :class:`.step.Step`."""
        (left, right), (upper, lower) = self._spans

        def inside(x: FloatArray, y: FloatArray) -> NDArray[np.bool_]:
            return (x >= left) & (x < right) & (y >= upper) & (y < lower)

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
        make_plain(self)
        object.__setattr__(self, "vertices_nm", _as_vertices(self.vertices_nm))
        check_choice(self.name, "keep", self.keep, get_args(Side))

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return what lies on the side that is kept; see :class:`.step.Step`."""
        from matplotlib.path import Path as Outline

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
