"""Parts of a denoised movie, frames that follow each other, simulated anew one behind the other."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.evaluation.matched_movies.frames import MatchedFrames
from blinkspot.localization import LocalizationTable
from blinkspot.movies.stack import Stack

IntArray = NDArray[np.int64]

PIXELS_AT_ONCE = 2**22
"""Of the parts that are simulated together, or little more."""
_FRAMES_TOGETHER = 24
_FEWEST_TOGETHER = 4


def frames_together(n_frames: int, frame_pixels: int, context_frames: int) -> int:
    """Return how many frames a part has: they follow each other, so that context shows the same molecules.

    Parameters
    ----------
    n_frames : int
        Of the movie.
    frame_pixels : int
        Of a frame.
    context_frames : int
        Frames on each side that a denoised frame shows too.
    """
    fewest = _FEWEST_TOGETHER + 4 * context_frames
    return min(n_frames, max(fewest, min(_FRAMES_TOGETHER, PIXELS_AT_ONCE // frame_pixels)))


def first_frames(n_frames: int, together: int, random: np.random.Generator) -> Iterator[int]:
    """Yield the first frames of parts of a movie, in another order each time all had their turn.

    Parameters
    ----------
    n_frames : int
        Of the movie.
    together : int
        Frames of a part.
    random : numpy Generator
    """
    last = n_frames - together
    places = np.linspace(0, last, max(1, math.ceil(n_frames / together))).astype(int)
    while True:
        yield from random.permutation(places).tolist()


@dataclass(frozen=True)
class MovieParts:
    """Some parts of a denoised movie, one behind the other.

    Attributes
    ----------
    denoised : Stack
        The whole movie, ADU.
    starts : list of int
        First frames of the parts.
    together : int
        Frames of each.
    """

    denoised: Stack
    starts: list[int]
    together: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, Y, X) of all parts."""
        return len(self.starts) * self.together, self.denoised.height, self.denoised.width

    def have_context(self, frame: IntArray, context_frames: int) -> NDArray[np.bool_]:
        """Tell of frames whether those around them are, as in the movie, of the same part."""
        place = frame % self.together
        inside: NDArray[np.bool_] = (place >= context_frames) & (place < self.together - context_frames)
        return inside

    def rows_of(self, table: LocalizationTable, molecule: IntArray) -> tuple[pd.DataFrame, IntArray]:
        """Return what a table has in the parts, and which molecule each row is.

        Parameters
        ----------
        table : LocalizationTable
            Of the movie, by frame.
        molecule : ndarray of int64, shape (n,)
            Which molecule each of its rows is, from 0.

        Returns
        -------
        DataFrame
            ``frame`` counts from 0 through all parts.
        ndarray of int64
            From 0. A molecule that reaches from one part into the next is two.
        """
        frame = table.column("frame")
        rows, molecules = [], []
        for number, start in enumerate(self.starts):
            part = slice(*np.searchsorted(frame, (start, start + self.together)).tolist())
            shifted = frame[part] - start + number * self.together
            rows.append(table.data.iloc[part].assign(frame=shifted))
            molecules.append(molecule[part] * len(self.starts) + number)
        _, of_parts = np.unique(np.concatenate(molecules), return_inverse=True)
        return pd.concat(rows, ignore_index=True), of_parts

    def recorded(
        self,
        camera: Camera,
        sigma_px: float,
        found: pd.DataFrame,
        molecules: pd.DataFrame,
        random: np.random.Generator,
    ) -> Generator[float, None, NDArray[np.float32]]:
        """Simulate the parts.

        Parameters
        ----------
        camera : Camera
        sigma_px : float
            Width of the molecules.
        found, molecules : DataFrame
            What was found in the parts, as :meth:`rows_of` has it, and what is simulated.
        random : numpy Generator

        Yields
        ------
        float
            How much is done, 0 to 1.

        Returns
        -------
        ndarray of float32, shape (T, Y, X)
            ADU.
        """
        n_frames, _, _ = self.shape
        recorded = np.empty(self.shape, np.float32)
        for number, start in enumerate(self.starts):
            first = number * self.together
            there, simulated = (_rows_within(each, first, self.together) for each in (found, molecules))
            matched = MatchedFrames(camera, sigma_px, there, simulated)
            for index in range(self.together):
                matched.add(camera.photoelectrons(self.denoised.frame(start + index)))
                yield (first + 0.5 * index) / n_frames
            for index, picture in enumerate(matched.recorded(random)):
                recorded[first + index] = picture
                yield (first + 0.5 * (self.together + index)) / n_frames
        return recorded


def _rows_within(rows: pd.DataFrame, first: int, together: int) -> pd.DataFrame:
    """Return the rows, which are by frame, of so many frames from one on, which then count from 0."""
    part = slice(*np.searchsorted(rows["frame"], (first, first + together)).tolist())
    return rows.iloc[part].assign(frame=rows["frame"].iloc[part] - first)
