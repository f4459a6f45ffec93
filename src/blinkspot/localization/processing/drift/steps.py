"""Drift correction as steps after the fits, recorded so that they can be repeated and undone."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from blinkspot.errors import BlinkspotError
from blinkspot.localization.processing.drift.curve import Drift
from blinkspot.localization.processing.drift.estimate import estimate_drift
from blinkspot.localization.processing.drift.fiducials import drift_of_fiducials
from blinkspot.localization.processing.drift.files import read_drift
from blinkspot.localization.processing.settings import check_choice, check_number, setting
from blinkspot.localization.processing.step import RECORD, recorded
from blinkspot.localization.table import LocalizationTable
from blinkspot.plain_values import make_plain
from blinkspot.progress import Progress

_LARGEST_NM = 1e9
_MOST_FRAMES = 10**9
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
        If a value is not allowed.
    """

    name: ClassVar[str] = "drift"

    method: Literal["overlap", "rcc"] = setting("overlap", "overlap, or rcc alone")
    segment_frames: int | None = setting(None, "length of a segment; chosen unless given", "frames")
    largest_shift_nm: float = setting(1000.0, "drift between two segments, at most", "nm")

    def __post_init__(self) -> None:
        make_plain(self)
        check_choice(self.name, "method", self.method, ("overlap", "rcc"))
        if self.segment_frames is not None:
            check_number(self.name, "segment_frames", self.segment_frames, 1, _MOST_FRAMES, whole=True)
        check_number(self.name, "largest_shift_nm", self.largest_shift_nm, 0.0, _LARGEST_NM, above=True)

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
        If a value is not allowed.
    """

    name: ClassVar[str] = "fiducials"

    positions_nm: tuple[tuple[float, float], ...] = setting((), "x and y of each; found unless given", "nm")
    radius_nm: float = setting(200.0, "reach around a position, and from frame to frame", "nm")
    least_presence: float = setting(0.8, "part of the frames in which a fiducial must be")

    def __post_init__(self) -> None:
        make_plain(self)
        object.__setattr__(self, "positions_nm", _pairs(self.name, self.positions_nm))
        check_number(self.name, "radius_nm", self.radius_nm, 0.0, _LARGEST_NM, above=True)
        check_number(self.name, "least_presence", self.least_presence, 0.0, 1.0, above=True)

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

    path: str = setting("", "file of the drift")
    pixel_size_nm: float | None = setting(None, "pixel of the camera, for Picasso's files", "nm")

    def __post_init__(self) -> None:
        make_plain(self)
        if not isinstance(self.path, str) or not self.path:
            raise BlinkspotError(f"{self.name}: path must be the name of a file, not {self.path!r}.")
        if self.pixel_size_nm is not None:
            check_number(self.name, "pixel_size_nm", self.pixel_size_nm, 0.0, _LARGEST_NM, above=True)

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
    if place < len(entries) - 1:
        raise BlinkspotError(
            f"After the drift was taken off, this table went through {entries[-1].get('step')}, which may "
            "have gone by the positions: go back to the table before that, and undo there."
        )
    drift = Drift.from_dict(entries.pop(place)["drift"])
    return drift.undo(table).with_provenance({**table.provenance, RECORD: entries})


def _last_drift(table: LocalizationTable) -> int | None:
    entries = table.provenance.get(RECORD, [])
    if not isinstance(entries, list):
        raise BlinkspotError("The table's record of its steps is damaged: 'processing' is not a list.")
    places = [place for place, entry in enumerate(entries) if isinstance(entry, dict) and "drift" in entry]
    return places[-1] if places else None


def _pairs(step: str, positions: Any) -> tuple[tuple[float, float], ...]:
    """Return positions as tuples of numbers, also where they come from JSON or from the command line."""
    try:
        pairs = tuple((float(x_nm), float(y_nm)) for x_nm, y_nm in positions)
    except (TypeError, ValueError):
        pairs = ((math.nan, math.nan),)
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        raise BlinkspotError(f"{step}: positions_nm must be pairs of x and y in nm, not {positions!r}.")
    return pairs
