"""What the Molecules dock has done in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.plugin import backend
from blinkspot.plugin.layers.table_shown import Picture, PictureChoice, drawn, places_px
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable
    from blinkspot.localization.histogram import Histogram
    from blinkspot.localization.processing.undo import StepHistory

MOST_POINTS = 10_000
"""Points that a layer gets at most: napari needs longer than a frame's time for more."""
# Where neither the table nor a movie tells the size of a pixel, the points' layer counts in micrometres.
_MICROMETRE_NM = 1000.0
_FIRST_COLUMN = "photons"

StepChoice = tuple[str, dict[str, Any]]
"""Name and settings of a step, as :func:`blinkspot.localization.processing.make_step` takes them."""


@dataclass(frozen=True)
class Opened:
    """A table that is worked on.

    Attributes
    ----------
    history : StepHistory
        With no step yet.
    pixel_size_nm : float
        In the sample, of the pixels in which the points' layer counts.
    knows_pixels : bool
        Whether these are the pixels of the movie; else they are micrometres.
    """

    history: StepHistory
    pixel_size_nm: float
    knows_pixels: bool


@dataclass(frozen=True)
class Points:
    """Molecules as points: all, or those of some frames.

    Attributes
    ----------
    places : (n, 3) float32
        Frame, y, x in pixels, (0, 0) the centre of the first pixel.
    features : DataFrame
        Their rows of the table.
    frames : (first, last) or None
        The frames whose molecules they are; None where they are those of all.
    """

    places: NDArray[np.float32]
    features: pd.DataFrame
    frames: tuple[int, int] | None


@dataclass(frozen=True)
class Shown:
    """What is shown of a table.

    Attributes
    ----------
    of : (LocalizationTable, str)
        The table, and the condition that was put to it.
    frame : int
        The one that was asked for.
    table : LocalizationTable
        What the points and the picture show: the rows that meet the condition.
    points : Points
    picture : Picture or None
        None where none was asked for.
    """

    of: tuple[LocalizationTable, str]
    frame: int
    table: LocalizationTable
    points: Points
    picture: Picture | None


def read(path: Path, pixel_size_nm: float | None) -> Generator[Progress, None, Opened]:
    """Read a table from a file."""
    yield Progress("reading", 0, 1, 0.0)

    def table() -> LocalizationTable:
        found: LocalizationTable = backend.localization().read_table(path, pixel_size_nm=pixel_size_nm)
        return found

    read = yield from backend.meanwhile(table, "reading")
    return (yield from backend.meanwhile(lambda: _opened(read, None), "reading"))


def take(
    features: pd.DataFrame, provenance: dict[str, Any], places: NDArray[Any]
) -> Generator[Progress, None, Opened]:
    """Make a table of the features of a layer of localizations."""
    yield Progress("taking the table", 0, 1, 0.0)

    def opened() -> Opened:
        table = backend.localization().LocalizationTable.from_features(features.copy(), provenance)
        return _opened(table, _pixel_size_nm(table, places))

    return (yield from backend.meanwhile(opened, "taking the table"))


def _opened(table: LocalizationTable, pixel_size_nm: float | None) -> Opened:
    from blinkspot.localization.processing.undo import StepHistory
    from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm

    known = known_pixel_size_nm(table.provenance) if pixel_size_nm is None else pixel_size_nm
    return Opened(StepHistory(table), known or _MICROMETRE_NM, known is not None)


def _pixel_size_nm(table: LocalizationTable, places: NDArray[Any]) -> float | None:
    """Return the pixel of a layer's points, by where they lie and where their features say they are."""
    if not len(table):
        return None
    at = np.asarray(places[:, 1:3], np.float64) + 0.5
    nm = np.column_stack([table.column("y_nm"), table.column("x_nm")])
    square = float((at**2).sum())
    return float((at * nm).sum()) / square if square else None


@dataclass(frozen=True)
class Inspected:
    """What the columns of a table hold.

    Attributes
    ----------
    columns : dict of str
        Those of which something is known, and what to call them.
    histogram : Histogram or None
        Of one of them; None where there is none.
    """

    columns: dict[str, str]
    histogram: Histogram | None


def inspect(table: LocalizationTable, wanted: str) -> Generator[Progress, None, Inspected]:
    """Tell the columns, and count the values of the one wanted, or where it is unknown of another."""
    from blinkspot.localization.histogram import histogram, known_columns
    from blinkspot.localization.table import UNCALIBRATED

    known = known_columns(table)
    doubtful = () if table.uncertainty_is_valid else tuple(UNCALIBRATED)
    columns = {name: f"{name} (not calibrated)" if name in doubtful else name for name in known}
    if not known:
        return Inspected(columns, None)
    chosen = next((name for name in (wanted, _FIRST_COLUMN) if name in known), known[0])
    counted = yield from histogram(table, chosen)
    return Inspected(columns, counted)


@dataclass(frozen=True, eq=False)
class Left:
    """The rows of a table for which a condition holds.

    Attributes
    ----------
    table : LocalizationTable
        With all of its rows; not copied.
    rows : (n,) int64 or None
        Numbers of those that are left, ascending; None for all.
    """

    table: LocalizationTable
    rows: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.table) if self.rows is None else len(self.rows)

    def has(self, table: LocalizationTable, row: int) -> bool:
        """Whether a row of a table is among those that are left."""
        return table is self.table and (self.rows is None or row in self.rows)


def left(table: LocalizationTable, condition: str) -> Generator[Progress, None, Left]:
    """Tell the rows for which a condition holds; all of them where it is empty."""
    from blinkspot.localization.processing import Filter

    if not condition.strip():
        return Left(table, None)
    holds = yield from Filter(condition).holds(table)
    return Left(table, np.flatnonzero(holds))


def apply(
    table: LocalizationTable, steps: Sequence[StepChoice]
) -> Generator[Progress, None, list[LocalizationTable]]:
    """Apply steps, and return the table after each."""
    yield Progress("preparing", 0, 1, 0.0)
    backend.localization()
    from blinkspot.localization.processing import make_step

    tables = []
    for step in [make_step(name, settings) for name, settings in steps]:
        table = yield from step.apply(table)
        tables.append(table)
    return tables


def pixel_size_for_formula(table: LocalizationTable, pixel_size_nm: float | None) -> float | None:
    """Return a pixel size for a formula, None where the table itself tells it.

    Raises
    ------
    BlinkspotError
        If nobody knows it.
    """
    from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm

    if known_pixel_size_nm(table.provenance) is not None:
        return None
    if pixel_size_nm is None:
        raise BlinkspotError(
            "The formula needs the camera's pixel, which this table does not tell: type it beside the table."
        )
    return pixel_size_nm


def filters(condition: str) -> list[StepChoice]:
    """Return the steps that a condition means: one, or none where it is empty."""
    return [("filter", {"expression": condition})] if condition.strip() else []


def show(
    table: LocalizationTable,
    condition: str,
    opened: Opened,
    frame: int,
    choice: PictureChoice | None,
) -> Generator[Progress, None, Shown]:
    """Filter a table, and make of it what is shown.

    Parameters
    ----------
    condition : str
        Empty: all rows.
    frame : int
        Where not all molecules can be points, those of the frames around this one are.
    choice : PictureChoice or None
        How a picture is drawn; None for none.
    """
    from blinkspot.localization.excerpt import rows_around
    from blinkspot.localization.processing import Filter, process

    of = (table, condition)
    if condition.strip():
        table = yield from process(table, [Filter(condition)])
    some = yield from rows_around(table.column("frame"), frame, MOST_POINTS)
    places = places_px(table, opened.pixel_size_nm, some.rows)
    features = table.features.iloc[some.rows].reset_index(drop=True)
    frames = None if some.is_whole else (some.first_frame, some.last_frame)
    points = Points(places, features, frames)
    picture = None
    if choice is not None:
        picture = yield from drawn(table, None, opened.pixel_size_nm, choice)
    return Shown(of, frame, table, points, picture)


def save(table: LocalizationTable, path: Path, pixel_size_nm: float | None) -> Path:
    """Write a table as a new file, in the format of its suffix.

    Parameters
    ----------
    pixel_size_nm : float or None
        Of the camera, in the sample; what the table itself says comes first.
    """
    from blinkspot.localization.table_files.pixel_size import known_pixel_size_nm

    known = known_pixel_size_nm(table.provenance) is not None
    table.save(path, pixel_size_nm=None if known else pixel_size_nm)
    return path


def save_drift(table: LocalizationTable, path: Path, pixel_size_nm: float | None) -> Path:
    """Write the last drift that was taken off a table as a new file; Picasso's needs the pixel's size."""
    from blinkspot.localization.processing.drift import drift_in, write_drift

    drift = drift_in(table)
    assert drift is not None
    write_drift(drift, path, table.provenance, pixel_size_nm)
    return path
