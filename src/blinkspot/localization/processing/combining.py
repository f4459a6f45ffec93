"""What many localizations of one molecule amount to."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from blinkspot.localization._compiling import compiled, read_only
from blinkspot.localization.processing.correlation import Correlated
from blinkspot.localization.processing.linking import Links, localizations_in, usable_uncertainties
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files.axes import mean_over_axes
from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Along an axis: the position, and the columns that may hold its uncertainty, the best first.
_AXES = {
    "x_nm": ("uncertainty_x_nm", "uncertainty_nm"),
    "y_nm": ("uncertainty_y_nm", "uncertainty_nm"),
    "z_nm": ("uncertainty_z_nm", "uncertainty_nm"),
}
_UNCERTAINTIES = ("uncertainty_nm", "uncertainty_x_nm", "uncertainty_y_nm", "uncertainty_z_nm")
_SUMMED, _MEAN, _ROOT_MEAN_SQUARE, _LARGEST, _WEIGHTED = range(5)
_HOW = {
    "photons": _SUMMED,
    "sigma_nm": _WEIGHTED,
    "sigma_x_nm": _WEIGHTED,
    "sigma_y_nm": _WEIGHTED,
    "background_photons": _MEAN,
    "background_std_photons": _ROOT_MEAN_SQUARE,
    "detection_strength": _LARGEST,
    "log_likelihood_ratio": _LARGEST,
    "deviance": _MEAN,
}


def combine(
    table: LocalizationTable,
    links: Links,
    correlated: Correlated,
    clock: Stopwatch,
    done: tuple[float, float],
) -> Generator[Progress, None, dict[str, NDArray[np.generic]]]:
    """Return the columns of a table with one row a molecule.

    See :class:`.merging.Merge` for what becomes of each column.
    """
    n = links.n_molecules
    names = [name for name in table.data.columns if name not in ("frame", "p_value", "detections")]
    each = (done[1] - done[0]) / (len(names) + 1)
    firsts = links.rows[links.starts[:-1]]
    columns: dict[str, NDArray[np.generic]] = {"frame": table.column("frame")[firsts]}
    localizations = localizations_in(table)
    for number, name in enumerate(names):
        result = np.empty(n)
        span = (done[0] + number * each, done[0] + (number + 1) * each)
        fill = _filler(table, links, name, correlated, localizations, result)
        yield from in_parts(fill, n, clock, span)
        columns[name] = result
    if {"uncertainty_x_nm", "uncertainty_y_nm"} <= columns.keys():
        # Each axis is weighted by its own, so that of both follows from these where they are known.
        of_axes = mean_over_axes("uncertainty_nm", columns["uncertainty_x_nm"], columns["uncertainty_y_nm"])
        follows = np.isfinite(of_axes) & (np.diff(links.starts) > 1)
        columns["uncertainty_nm"] = np.where(follows, of_axes, columns["uncertainty_nm"])
    if "p_value" in table.data.columns:
        columns["p_value"] = np.full(n, np.nan)
    columns["detections"] = np.diff(links.starts).astype(np.float64)
    if len(localizations):
        counts = np.empty(n)
        count = _filler_of(links, localizations, localizations, localizations, _SUMMED, counts)
        yield from in_parts(count, n, clock, (done[1] - each, done[1]))
        columns["detections"] = counts
    return columns


def _filler(
    table: LocalizationTable,
    links: Links,
    name: str,
    correlated: Correlated,
    localizations: FloatArray,
    result: FloatArray,
) -> Callable[[slice], None]:
    """Return what fills a part of a column's ``result``."""
    rows, starts, values = links.rows, links.starts, read_only(table.column(name))
    if name in _AXES:
        given = [table.column(each) for each in _AXES[name] if each in table.data.columns]
        known = next((each for each in given if np.isfinite(each).any()), given[-1])
        uncertainty = read_only(usable_uncertainties(known, localizations))
        return lambda part: _precise_means(rows, starts, part.start, part.stop, values, uncertainty, result)
    if name in _UNCERTAINTIES:
        frame = read_only(table.column("frame"))
        measured = np.array(correlated.measured, dtype=np.float64)
        return lambda part: _recombined(
            rows, starts, part.start, part.stop, frame, values, correlated.frames, measured, result
        )
    if name == "molecule":
        return lambda part: _take(values, rows[starts[:-1][part]], result[part])
    return _filler_of(links, values, table.column("photons"), localizations, _HOW[name], result)


def _filler_of(
    links: Links,
    values: FloatArray,
    photons: FloatArray,
    localizations: FloatArray,
    how: int,
    result: FloatArray,
) -> Callable[[slice], None]:
    values, photons, localizations = (read_only(each) for each in (values, photons, localizations))
    return lambda part: _reduced(
        links.rows, links.starts, part.start, part.stop, values, photons, localizations, how, result
    )


def _take(values: FloatArray, rows: IntArray, result: FloatArray) -> None:
    result[:] = values[rows]


@compiled
def _precise_means(
    rows: IntArray,
    starts: IntArray,
    first: int,
    last: int,
    values: FloatArray,
    uncertainty: FloatArray,
    result: FloatArray,
) -> None:
    """Take means weighted by 1 / uncertainty^2, of molecules ``first`` to ``last``."""
    for molecule in range(first, last):
        begin, end = starts[molecule], starts[molecule + 1]
        # From the first on: far from 0, small differences keep their digits.
        origin, total, weights = values[rows[begin]], 0.0, 0.0
        for place in range(begin, end):
            weight = 1.0 / uncertainty[rows[place]] ** 2
            total += weight * (values[rows[place]] - origin)
            weights += weight
        result[molecule] = origin + total / weights


@compiled
def _recombined(
    rows: IntArray,
    starts: IntArray,
    first: int,
    last: int,
    frame: IntArray,
    uncertainty: FloatArray,
    correlated_frames: int,
    measured: FloatArray,
    result: FloatArray,
) -> None:
    """Work out the uncertainties of such means (:mod:`.correlation`); NaN where one is not known."""
    half = correlated_frames // 2
    for molecule in range(first, last):
        begin, end = starts[molecule], starts[molecule + 1]
        opened, closed = frame[rows[begin]], frame[rows[end - 1]]
        weights = shared = 0.0
        for place in range(begin, end):
            late, own = frame[rows[place]], uncertainty[rows[place]]
            weights += 1.0 / own**2 if 0.0 < own < np.inf else np.nan
            # The window's frames in which the molecule shone.
            late_from = max(opened, late - half)
            late_to = min(closed, late + correlated_frames - half)
            before = place - 1
            while before >= begin:
                early = frame[rows[before]]
                if late - early > correlated_frames:
                    break
                if len(measured):
                    correlation = measured[late - early - 1]
                else:
                    early_from = max(opened, early - half)
                    early_to = min(closed, early + correlated_frames - half)
                    sizes = (late_to - late_from + 1.0) * (early_to - early_from + 1.0)
                    correlation = (early_to - late_from + 1.0) / np.sqrt(sizes)
                shared += 2.0 * correlation / (own * uncertainty[rows[before]])
                before -= 1
        result[molecule] = (
            uncertainty[rows[begin]] if end - begin == 1 else np.sqrt(weights + shared) / weights
        )


@compiled
def _reduced(
    rows: IntArray,
    starts: IntArray,
    first: int,
    last: int,
    values: FloatArray,
    photons: FloatArray,
    localizations: FloatArray,
    how: int,
    result: FloatArray,
) -> None:
    """Reduce molecules to sums, means, root mean squares, largest values, or means weighted by photons.

    A row that is itself a mean of several ``localizations`` weighs as these.
    """
    for molecule in range(first, last):
        begin, end = starts[molecule], starts[molecule + 1]
        weighted = how == 4
        for place in range(begin, end):
            weighted = weighted and 0.0 < photons[rows[place]] < np.inf
        total = weights = 0.0
        for place in range(begin, end):
            value = values[rows[place]]
            weight = 1.0
            if weighted:
                weight = photons[rows[place]]
            elif how != 0 and len(localizations):
                weight = localizations[rows[place]]
            if how == 3:
                total = value if place == begin else max(total, value)
            else:
                total += weight * (value * value if how == 2 else value)
            weights += weight
        if how == 0 or how == 3:
            result[molecule] = total
        else:
            result[molecule] = np.sqrt(total / weights) if how == 2 else total / weights
