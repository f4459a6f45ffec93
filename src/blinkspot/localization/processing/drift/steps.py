"""Drift correction as steps after the fits, recorded so that they can be repeated and undone."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.processing.drift.estimate import estimate_drift
from blinkspot.localization.processing.drift.fiducials import drift_of_fiducials
from blinkspot.localization.processing.drift.files import read_drift
from blinkspot.localization.processing.step import RECORD, recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.progress import Progress

# Steps after which positions are no longer those of one frame each.
_POOLING_STEPS = frozenset({"merge"})


@dataclass(frozen=True)
class DriftCorrection:
    """Find the drift from the molecules and take it off.

    Attributes
    ----------
    method : "overlap" or "rcc"
        ``overlap``: redundant cross-correlation, then each frame laid onto all the others. ``rcc``: redundant
        cross-correlation alone.
    segment_frames : int, optional
        Frames that are correlated as one; chosen from the data unless given.
    largest_shift_nm : float
        Drift between any two segments, along either axis, at most.

    Raises
    ------
    BlinkspotError
        If a value makes no sense.
    """

    name: ClassVar[str] = "drift"

    method: Literal["overlap", "rcc"] = "overlap"
    segment_frames: int | None = None
    largest_shift_nm: float = 1000.0

    def __post_init__(self) -> None:
        if self.method not in ("overlap", "rcc"):
            raise BlinkspotError(f"The drift is found by 'overlap' or by 'rcc', not by {self.method!r}.")
        if self.segment_frames is not None and self.segment_frames < 1:
            raise BlinkspotError(f"A segment needs at least 1 frame, not {self.segment_frames}.")
        _check_length("The largest shift", self.largest_shift_nm)

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table without drift; the record holds the drift.

        Raises
        ------
        BlinkspotError
            If no drift that can be trusted is found.
        """
        found = yield from estimate_drift(table, self.method, self.segment_frames, self.largest_shift_nm)
        drift = found.drift.recordable()
        return recorded(
            self,
            table,
            drift.apply(table),
            drift=drift.as_dict(),
            warnings=list(found.warnings),
            **found.findings,
        )


@dataclass(frozen=True)
class FiducialCorrection:
    """Find the drift from fiducials and take it off.

    Attributes
    ----------
    positions_nm : tuple of (x, y)
        Of the fiducials; none: they are looked for.
    radius_nm : float
        Greatest distance from a given position, and between one frame and the next.
    least_presence : float
        Part of the frames in which a fiducial must be found.

    Raises
    ------
    BlinkspotError
        If a value makes no sense.
    """

    name: ClassVar[str] = "fiducials"

    positions_nm: tuple[tuple[float, float], ...] = ()
    radius_nm: float = 200.0
    least_presence: float = 0.8

    def __post_init__(self) -> None:
        for position in self.positions_nm:
            if len(position) != 2 or not all(math.isfinite(value) for value in position):
                raise BlinkspotError(f"The position of a fiducial is x and y in nm, not {position}.")
        _check_length("The radius", self.radius_nm)
        if not 0.0 < self.least_presence <= 1.0:
            raise BlinkspotError(
                f"The least presence of a fiducial is a part of the frames, above 0 and up to 1, "
                f"not {self.least_presence:g}."
            )

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table without drift; the record holds the drift.

        Raises
        ------
        BlinkspotError
            If a position has no fiducial, or none is found.
        """
        found = yield from drift_of_fiducials(table, self.positions_nm, self.radius_nm, self.least_presence)
        drift = found.drift.recordable()
        return recorded(
            self,
            table,
            drift.apply(table),
            drift=drift.as_dict(),
            fiducials=[
                {
                    "x_nm": round(x, 3),
                    "y_nm": round(y, 3),
                    "presence": round(part, 4),
                    "scatter_nm": round(nm, 3),
                }
                for (x, y), part, nm in zip(
                    found.places_nm.tolist(), found.presence.tolist(), found.scatter_nm.tolist(), strict=True
                )
            ],
            uncertainty_nm=round(found.uncertainty_nm, 3),
        )


@dataclass(frozen=True)
class LoadedDrift:
    """Take off a drift that a file holds.

    Attributes
    ----------
    path : str
        As :func:`read_drift` reads it.
    pixel_size_nm : float, optional
        For Picasso's files.
    """

    name: ClassVar[str] = "loaded_drift"

    path: str
    pixel_size_nm: float | None = None

    def apply(self, table: LocalizationTable) -> Generator[Progress, None, LocalizationTable]:
        """Return the table without the drift; the record holds it.

        Raises
        ------
        BlinkspotError
            If the file is no drift, or the table has frames that it does not reach.
        """
        drift = read_drift(Path(self.path), self.pixel_size_nm).recordable()
        yield Progress("applying", 1.0, 1.0, 0.0)
        return recorded(self, table, drift.apply(table), drift=drift.as_dict())


DriftStep = DriftCorrection | FiducialCorrection | LoadedDrift


def drift_in(table: LocalizationTable) -> Drift | None:
    """Return the last drift that was taken off a table, None where its record has none."""
    place = _last_drift(table)
    return None if place is None else Drift.from_dict(table.provenance[RECORD][place]["drift"])


def without_correction(table: LocalizationTable) -> LocalizationTable:
    """Give a table back the last drift that was taken off it, and strike that step from its record.

    Raises
    ------
    BlinkspotError
        If the record names no drift, or localizations of several frames have become one since.
    """
    place = _last_drift(table)
    if place is None:
        raise BlinkspotError("The record of this table names no drift that was taken off: nothing is undone.")
    entries = list(table.provenance[RECORD])
    for entry in entries[place + 1 :]:
        if entry.get("step") in _POOLING_STEPS:
            raise BlinkspotError(
                "The localizations of this table were merged over frames after the drift was taken off, so "
                "that it cannot be undone: go back to the table before the merging."
            )
    drift = Drift.from_dict(entries.pop(place)["drift"])
    return drift.undo(table).with_provenance({**table.provenance, RECORD: entries})


def _last_drift(table: LocalizationTable) -> int | None:
    entries = table.provenance.get(RECORD, [])
    places = [place for place, entry in enumerate(entries) if isinstance(entry, dict) and "drift" in entry]
    return places[-1] if places else None


def _check_length(what: str, length_nm: float) -> None:
    if not (math.isfinite(length_nm) and length_nm > 0):
        raise BlinkspotError(f"{what} must be above 0 nm, not {length_nm}.")
