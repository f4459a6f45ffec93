"""A frame, and a part of it, that shows what is typical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.evaluation.scoring.matching import FloatArray, IndexArray, match, pairs_within
from blinkspot.localization import LocalizationTable
from blinkspot.movies.stack import Stack

_WINDOW_PX = 40


@dataclass(frozen=True)
class Detections:
    """Localizations of one frame.

    Attributes
    ----------
    found : (N, 2) float64
        y and x of the localizations, pixels with (0, 0) the centre of the first.
    is_true : (N,) bool, or None
        Whether each is a molecule; None where the truth is not known.
    missed : (M, 2) float64
        y and x of the molecules that were not found; empty where the truth is not known.
    """

    found: FloatArray
    is_true: NDArray[np.bool_] | None
    missed: FloatArray


@dataclass(frozen=True)
class Example:
    """A typical frame, noisy and denoised.

    Attributes
    ----------
    frame : int
        Its index, from 0.
    noisy, denoised : (Y, X) float32
        Photoelectrons.
    noisy_detections, denoised_detections : Detections
        What was found in each.
    rows, columns : slice
        The busiest part of it.
    """

    frame: int
    noisy: NDArray[np.float32]
    denoised: NDArray[np.float32]
    noisy_detections: Detections
    denoised_detections: Detections
    rows: slice
    columns: slice


def example_of(
    noisy: Stack,
    denoised: Stack,
    camera: Camera,
    tables: tuple[LocalizationTable, LocalizationTable],
    truth: LocalizationTable | None,
    tolerance_nm: float,
) -> Example:
    """Choose a typical frame of a comparison.

    Of the frames with at least the median number of molecules it is the one where denoising gains the median
    number of right decisions: neither the best case nor the worst. Without truth it is the one with the
    median number of localizations.

    Parameters
    ----------
    noisy, denoised : Stack
        The movie, ADU.
    camera : Camera
        Its camera.
    tables : (LocalizationTable, LocalizationTable)
        What was found on the noisy and on the denoised movie.
    truth : LocalizationTable or None
        The molecules that are there.
    tolerance_nm : float
        Greatest distance between a localization and its molecule, nm.
    """
    if truth is None:
        frame = _median_frame(_per_frame(tables[0], noisy.n_frames), np.ones(noisy.n_frames, bool))
    else:
        gain = _right_less_wrong(tables[1], truth, tolerance_nm, noisy.n_frames)
        gain -= _right_less_wrong(tables[0], truth, tolerance_nm, noisy.n_frames)
        molecules = _per_frame(truth, noisy.n_frames)
        frame = _median_frame(gain, molecules >= np.median(molecules))
    detections = [_detections(table, truth, frame, camera, tolerance_nm) for table in tables]
    busy = detections[0].found if truth is None else _places_px(truth.in_frame(frame), camera)
    rows, columns = _busiest_window(busy, noisy.height, noisy.width)
    return Example(
        frame=frame,
        noisy=camera.photoelectrons(noisy.frame(frame)),
        denoised=camera.photoelectrons(denoised.frame(frame)),
        noisy_detections=detections[0],
        denoised_detections=detections[1],
        rows=rows,
        columns=columns,
    )


def _per_frame(table: LocalizationTable, n_frames: int) -> IndexArray:
    return np.bincount(table.column("frame"), minlength=n_frames)


def _right_less_wrong(
    found: LocalizationTable, truth: LocalizationTable, tolerance_nm: float, n_frames: int
) -> IndexArray:
    """Return true less false positives of each frame, (F,)."""
    pairs = match(pairs_within(found, truth, tolerance_nm))
    true = np.bincount(found.column("frame")[pairs.found], minlength=n_frames)
    return 2 * true - _per_frame(found, n_frames)


def _median_frame(values: IndexArray, is_eligible: NDArray[np.bool_]) -> int:
    frames = np.flatnonzero(is_eligible)
    return int(frames[np.argsort(values[frames], kind="stable")[len(frames) // 2]])


def _detections(
    table: LocalizationTable,
    truth: LocalizationTable | None,
    frame: int,
    camera: Camera,
    tolerance_nm: float,
) -> Detections:
    found = table.in_frame(frame)
    if truth is None:
        return Detections(_places_px(found, camera), None, np.empty((0, 2)))
    there = truth.in_frame(frame)
    pairs = match(pairs_within(found, there, tolerance_nm))
    is_true = np.isin(np.arange(len(found)), pairs.found)
    is_missed = ~np.isin(np.arange(len(there)), pairs.truth)
    return Detections(_places_px(found, camera), is_true, _places_px(there, camera)[is_missed])


def _places_px(table: LocalizationTable, camera: Camera) -> FloatArray:
    places: FloatArray = np.column_stack([table.column("y_nm"), table.column("x_nm")])
    return places / camera.pixel_size_nm - 0.5


def _busiest_window(places: FloatArray, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of the square around one of the places that holds most of them."""
    side = min(_WINDOW_PX, height, width)
    if len(places) == 0:
        places = np.array([[height / 2, width / 2]])
    corners = np.clip(np.rint(places - side / 2), 0, [height - side, width - side]).astype(np.int64)
    offsets = places[np.newaxis] - corners[:, np.newaxis]
    top, left = corners[np.argmax(((offsets >= 0) & (offsets < side)).all(axis=2).sum(axis=1))].tolist()
    return slice(top, top + side), slice(left, left + side)
