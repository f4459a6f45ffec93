"""The drift of a movie: a curve over its frames, taken off a table or given back to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from blinkspot.errors import BlinkspotError
from blinkspot.localization.table import LocalizationTable

FloatArray = NDArray[np.float64]

DECIMALS_NM = 3
# Longer curves are recorded by knots, with straight lines between them.
MOST_KNOTS = 4000


@dataclass(frozen=True, eq=False)
class Drift:
    """How far the sample has moved, frame by frame.

    A molecule at rest is found at its place plus the drift.

    Attributes
    ----------
    x_nm, y_nm : ndarray of float64, shape (n_frames,)
        Of the frames from 0 on. Only differences between frames mean anything.

    Raises
    ------
    BlinkspotError
        If the two differ in length, hold nothing, or hold a value that is not a finite number.
    """

    x_nm: FloatArray
    y_nm: FloatArray

    def __post_init__(self) -> None:
        for name in ("x_nm", "y_nm"):
            values = np.array(getattr(self, name), dtype=np.float64, ndmin=1)
            if values.ndim != 1 or len(values) == 0:
                raise BlinkspotError("A drift needs one value of x and one of y for each frame.")
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                raise BlinkspotError(f"A drift has no finite {name[0]} for frame {bad[0] + 1}.")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if len(self.x_nm) != len(self.y_nm):
            raise BlinkspotError(
                f"A drift has {len(self.x_nm)} values of x and {len(self.y_nm)} of y: one of each is needed "
                "for every frame."
            )

    @classmethod
    def through(cls, frames: ArrayLike, x_nm: ArrayLike, y_nm: ArrayLike, n_frames: int) -> Drift:
        """Make a drift of straight lines between knots; before the first and after the last it rests.

        Parameters
        ----------
        frames : array_like, shape (n,)
            Ascending.
        x_nm, y_nm : array_like, shape (n,)
        n_frames : int
        """
        every = np.arange(n_frames)
        return cls(
            np.interp(every, np.asarray(frames, dtype=np.float64), np.asarray(x_nm, dtype=np.float64)),
            np.interp(every, np.asarray(frames, dtype=np.float64), np.asarray(y_nm, dtype=np.float64)),
        )

    def __len__(self) -> int:
        return len(self.x_nm)

    @property
    def positions_nm(self) -> FloatArray:
        """Both axes, shape (n_frames, 2): x, y."""
        return np.stack([self.x_nm, self.y_nm], axis=1)

    @property
    def excursion_nm(self) -> float:
        """Greatest distance from the place of the first frame."""
        return float(np.hypot(self.x_nm - self.x_nm[0], self.y_nm - self.y_nm[0]).max())

    def from_start(self) -> Drift:
        """Return the same drift, zero in the first frame."""
        return Drift(self.x_nm - self.x_nm[0], self.y_nm - self.y_nm[0])

    def apply(self, table: LocalizationTable) -> LocalizationTable:
        """Take the drift off a table: every molecule goes to where it was when the drift was zero.

        The provenance stays as it is.

        Raises
        ------
        BlinkspotError
            If the table has a frame that the drift does not reach.
        """
        return self._moved(table, -1.0)

    def undo(self, table: LocalizationTable) -> LocalizationTable:
        """Give the drift back to a table that it was taken off."""
        return self._moved(table, 1.0)

    def _moved(self, table: LocalizationTable, sign: float) -> LocalizationTable:
        frame = table.column("frame")
        outside = (frame < 0) | (frame >= len(self))
        if outside.any():
            raise BlinkspotError(
                f"The table has a molecule in frame {frame[outside][0] + 1}, but the drift covers the frames "
                f"1 to {len(self)}: this drift belongs to another movie."
            )
        moved = table.data.assign(
            x_nm=table.column("x_nm") + sign * self.x_nm[frame],
            y_nm=table.column("y_nm") + sign * self.y_nm[frame],
        )
        return LocalizationTable(moved, table.uncertainty_is_valid, table.provenance)

    def recordable(self) -> Drift:
        """Return the drift as :meth:`as_dict` keeps it, so that what is applied can be undone exactly.

        Rounded to 0.001 nm; where it is longer than 4,000 frames, straight lines between as many knots.
        """
        return Drift.from_dict(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the drift compactly, JSON-ready: knots every so many frames, and at the last."""
        every = -(-len(self) // MOST_KNOTS)
        knots = _knots(len(self), every)
        return {
            "n_frames": len(self),
            "knot_every_frames": every,
            "x_nm": np.round(self.x_nm[knots], DECIMALS_NM).tolist(),
            "y_nm": np.round(self.y_nm[knots], DECIMALS_NM).tolist(),
        }

    @classmethod
    def from_dict(cls, recorded: dict[str, Any]) -> Drift:
        """Make a drift of what :meth:`as_dict` gave.

        Raises
        ------
        BlinkspotError
            If that is not what it gives.
        """
        try:
            n_frames = int(recorded["n_frames"])
            knots = _knots(n_frames, int(recorded["knot_every_frames"]))
            return cls.through(knots, recorded["x_nm"], recorded["y_nm"], n_frames)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise BlinkspotError("The record of the drift is not complete: it cannot be used.") from error


def _knots(n_frames: int, every: int) -> NDArray[np.int64]:
    return np.unique(np.append(np.arange(0, n_frames, every), n_frames - 1))


def frames_of_movie(table: LocalizationTable) -> int:
    """Return how many frames a table's movie has: as its provenance says, but up to its last molecule."""
    frame = table.column("frame")
    seen = int(frame.max()) + 1 if len(table) else 1
    return max(table.movie_frames or 0, seen)
