"""Which drift a table shows, and whether that can be trusted."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.drift.curve import Drift, frames_of_movie
from blinkspot.localization.processing.drift.overlap import maximize_overlap
from blinkspot.localization.processing.drift.precision import precisions_nm
from blinkspot.localization.processing.drift.redundant import redundant_cross_correlation
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress

Method = Literal["overlap", "rcc"]


@dataclass(frozen=True)
class Estimate:
    """A drift, and what is known of its quality.

    Attributes
    ----------
    drift : Drift
        Zero in the first frame.
    findings : dict
        JSON-ready: ``segment_frames``, ``agreeing_fraction`` (of the pairs of segments), ``residual_nm`` (RMS
        by which their shifts miss the drift of the segments); with the method ``overlap`` also
        ``uncertainty_nm`` (RMS standard deviation of the drift of a frame, per axis), ``rounds`` and
        ``settled``.
    warnings : tuple of str
        Why the drift may not be right, a sentence each.
    """

    drift: Drift
    findings: dict[str, Any]
    warnings: tuple[str, ...] = ()


def estimate_drift(
    table: LocalizationTable,
    method: Method = "overlap",
    segment_frames: int | None = None,
    largest_shift_nm: float = 1000.0,
) -> Generator[Progress, None, Estimate]:
    """Find the drift from the molecules themselves.

    Parameters
    ----------
    table : LocalizationTable
    method : "overlap" or "rcc"
        Redundant cross-correlation alone, or refined frame by frame.
    segment_frames : int, optional
        Frames that are correlated as one; chosen from the data unless given.
    largest_shift_nm : float
        Drift between any two parts of the movie, along either axis, at most.

    Raises
    ------
    BlinkspotError
        If no drift that can be trusted is found.
    """
    if len(table) == 0:
        raise BlinkspotError("The drift cannot be told from a table without molecules.")
    frame = table.column("frame")
    if int(frame.min()) < 0:
        raise BlinkspotError(f"The table has the frame {frame.min()}: frames must be whole numbers from 0.")
    x_nm, y_nm = table.column("x_nm"), table.column("y_nm")
    n_frames = frames_of_movie(table)
    coarse = yield from redundant_cross_correlation(
        frame, x_nm, y_nm, n_frames, segment_frames, largest_shift_nm
    )
    findings: dict[str, Any] = {
        "segment_frames": round(coarse.segment_frames, 3),
        "agreeing_fraction": round(coarse.agreeing_fraction, 4),
        "residual_nm": round(coarse.residual_nm, 3),
    }
    warnings = []
    if coarse.agreeing_fraction < 0.5:
        warnings.append(
            f"Only {100 * coarse.agreeing_fraction:.0f} % of the pairs of segments agree on the drift: "
            "look at the picture before you trust it."
        )
    if method == "rcc":
        return Estimate(coarse.drift, findings, tuple(warnings))
    precision_nm = precisions_nm(table, coarse.drift)
    fine = yield from maximize_overlap(frame, x_nm, y_nm, precision_nm, coarse.drift)
    findings |= {
        "uncertainty_nm": round(fine.uncertainty_nm, 3),
        "rounds": fine.rounds,
        "settled": fine.settled,
    }
    typical_nm = float(np.median(precision_nm))
    if fine.uncertainty_nm > typical_nm:
        warnings.append(
            f"The drift of a frame is known only to {fine.uncertainty_nm:.0f} nm, worse than the "
            f"{typical_nm:.0f} nm of a molecule: there are too few molecules for more."
        )
    if not fine.settled:
        if warnings:
            raise BlinkspotError(
                "The drift cannot be told from this table: few of its parts agree on it, and the frames do "
                "not settle on a common place. Use fiducials, or give segments so short that little drift "
                "falls within one."
            )
        warnings.append("The drift had not settled in the last round: the sample has little structure.")
    return Estimate(fine.drift, findings, tuple(warnings))
