"""From movies to tables of localizations."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.duplicates import without_duplicates
from blinkspot.localization.fitting import FitMethod, FitPixels, fit_molecules
from blinkspot.localization.table import COLUMNS, LocalizationTable
from blinkspot.progress import Progress, Stopwatch, finish
from blinkspot.provenance import provenance
from blinkspot.stack import Stack, as_stack

Rows = NDArray[np.float64]

# What is worked on between two looks at the clock: some 10 ms each.
PIXELS_READ_AT_ONCE = 2**20
CANDIDATES_FITTED_AT_ONCE = 500
SECONDS_BETWEEN_PROGRESS = 0.04

# Closer maxima of the filter are not resolved: two fits there have found one molecule.
DUPLICATE_DISTANCE_PX = 1.0


@dataclass(frozen=True)
class LocalizerSettings:
    """How molecules are found and fitted.

    Attributes
    ----------
    threshold : float
        Smallest response of the wavelet filter, in units of the frame's std(Wave.F1).
    fit : {"mle", "wlsq"}
        Maximum likelihood for Poisson counts, or weighted least squares as ThunderSTORM's.
    fit_on : {"raw", "denoised"}
        Pixels that are fitted where a denoised movie is given. Uncertainties are valid only on raw ones.
    fit_window_px : int
        Side of the square that is fitted, odd.
    initial_sigma_px : float
        Standard deviation of the Gaussian that fits start from, pixels.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    threshold: float = 1.0
    fit: FitMethod = "mle"
    fit_on: FitPixels = "raw"
    fit_window_px: int = 7
    initial_sigma_px: float = 1.6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise BlinkspotError(
                f"The threshold must be a number above 0 (in units of std(Wave.F1)), not {self.threshold}."
            )
        for name, allowed in (("fit", get_args(FitMethod)), ("fit_on", get_args(FitPixels))):
            if getattr(self, name) not in allowed:
                raise BlinkspotError(
                    f"{name} must be {' or '.join(map(repr, allowed))}, not {getattr(self, name)!r}."
                )
        if self.fit_window_px % 2 != 1 or not 5 <= self.fit_window_px <= 31:
            raise BlinkspotError(
                f"The fit window must be an odd number of pixels from 5 to 31, not {self.fit_window_px}."
            )
        if not 0.3 <= self.initial_sigma_px <= self.fit_window_px / 2:
            raise BlinkspotError(
                "The initial sigma must be from 0.3 pixels to half the fit window, "
                f"not {self.initial_sigma_px}."
            )


class Localizer:
    """Finds the molecules of movies.

    Parameters
    ----------
    camera : Camera
        The camera of the movies.
    settings : LocalizerSettings, optional
    """

    def __init__(self, camera: Camera, settings: LocalizerSettings | None = None) -> None:
        self.camera = camera
        self.settings = LocalizerSettings() if settings is None else settings

    def localize_frame(
        self, raw_adu: NDArray[Any], denoised_adu: NDArray[Any] | None = None
    ) -> LocalizationTable:
        """Find the molecules of one frame; it counts as frame 0.

        The first call of an installation compiles for some 10 s.

        Parameters
        ----------
        raw_adu : ndarray, shape (height, width)
            The frame as recorded.
        denoised_adu : ndarray, shape (height, width), optional
            The frame denoised, in ADU too. Candidates then come from here.

        Returns
        -------
        LocalizationTable

        Raises
        ------
        BlinkspotError
            As :meth:`localize`.
        """
        if raw_adu.ndim != 2:
            raise BlinkspotError(
                f"A frame has two axes, but the array given has the shape {raw_adu.shape}: "
                "choose one frame of the movie."
            )
        self._check_denoised(raw_adu.shape, None if denoised_adu is None else denoised_adu.shape)
        rows = finish(self._localize_frame(0, raw_adu, denoised_adu, Stopwatch("localizing", 1)))
        shape = (1, *raw_adu.shape)
        return self._table([rows], shape, on_denoised=denoised_adu is not None, source={})

    def localize(
        self, movie: Stack | Any, denoised: Stack | Any | None = None
    ) -> Generator[Progress, None, LocalizationTable]:
        """Find the molecules of every frame of a movie.

        Parameters
        ----------
        movie : Stack or array, shape (T, height, width)
            The movie as recorded, ADU.
        denoised : Stack or array, shape (T, height, width), optional
            The same movie denoised, in ADU too. Candidates then come from here; fits are on the raw frames
            unless the settings say otherwise.

        Yields
        ------
        Progress
            In frames; first of compiling, where nothing is compiled yet.

        Returns
        -------
        LocalizationTable
            In the order of frames. What a higher threshold finds is ``table.above(threshold)``.

        Raises
        ------
        BlinkspotError
            If the movies differ in shape, a frame holds NaN or infinite values, or the settings ask for
            fits on a denoised movie and none is given.
        """
        raw_stack = as_stack(movie)
        denoised_stack = None if denoised is None else as_stack(denoised)
        self._check_denoised(raw_stack.shape, None if denoised_stack is None else denoised_stack.shape)
        return self._localize(raw_stack, denoised_stack)

    def _localize(self, movie: Stack, denoised: Stack | None) -> Generator[Progress, None, LocalizationTable]:
        yield from _compiling()
        clock = Stopwatch("localizing", movie.n_frames)
        yield clock.at(0)
        reported_s = clock.elapsed_s
        block = max(1, PIXELS_READ_AT_ONCE // (movie.height * movie.width))
        found: list[Rows] = []
        for start in range(0, movie.n_frames, block):
            stop = min(start + block, movie.n_frames)
            raw_frames = movie.frames(start, stop)
            denoised_frames = None if denoised is None else denoised.frames(start, stop)
            for index in range(start, stop):
                if clock.elapsed_s - reported_s > SECONDS_BETWEEN_PROGRESS:
                    yield clock.at(index)
                    reported_s = clock.elapsed_s
                denoised_frame = None if denoised_frames is None else denoised_frames[index - start]
                rows = yield from self._localize_frame(
                    index, raw_frames[index - start], denoised_frame, clock
                )
                found.append(rows)
        yield clock.at(movie.n_frames)
        source = {"movie": _described(movie)}
        if denoised is not None:
            source["denoised"] = _described(denoised)
        return self._table(found, movie.shape, on_denoised=denoised is not None, source=source)

    def _localize_frame(
        self, index: int, raw_adu: NDArray[Any], denoised_adu: NDArray[Any] | None, clock: Stopwatch
    ) -> Generator[Progress, None, Rows]:
        """Find one frame's molecules; rows of the columns of a table."""
        settings, camera = self.settings, self.camera
        raw = _finite(camera.counts(raw_adu), "movie", index)
        guide = raw if denoised_adu is None else _finite(camera.counts(denoised_adu), "denoised movie", index)
        read_counts = camera.read_counts
        extra = None
        if isinstance(read_counts, np.ndarray):
            # Where pixels differ in read noise, a noisy one would look like a molecule.
            guide, extra, read_counts = guide - read_counts, read_counts, 0.0
        fitted = raw
        if settings.fit_on == "denoised":
            fitted, extra = guide, None
        candidates = find_candidates(guide, settings.threshold)
        parts = []
        for first in range(0, len(candidates), CANDIDATES_FITTED_AT_ONCE):
            if first:
                yield clock.at(index + first / len(candidates))
            part = slice(first, first + CANDIDATES_FITTED_AT_ONCE)
            fits = fit_molecules(
                fitted,
                candidates.rows[part],
                candidates.columns[part],
                method=settings.fit,
                start=guide,
                extra=extra,
                window_px=settings.fit_window_px,
                initial_sigma_px=settings.initial_sigma_px,
            )
            pixel, factor = camera.pixel_size_nm, camera.excess_noise_factor
            parts.append(
                np.column_stack(
                    (
                        np.full(len(fits), float(index)),
                        (fits.x + 0.5) * pixel,
                        (fits.y + 0.5) * pixel,
                        fits.sigma * pixel,
                        fits.amplitude * factor,
                        (fits.background - read_counts) * factor,
                        fits.residual_std * factor,
                        np.sqrt(0.5 * (fits.variance_x + fits.variance_y)) * pixel,
                        candidates.strength[part][fits.candidate],
                    )
                )
            )
        if not parts:
            return np.empty((0, len(COLUMNS)))
        rows = np.concatenate(parts)
        keep = without_duplicates(rows[:, 1:3], rows[:, -1], DUPLICATE_DISTANCE_PX * camera.pixel_size_nm)
        return rows[keep]

    def _check_denoised(self, raw_shape: tuple[int, ...], denoised_shape: tuple[int, ...] | None) -> None:
        if denoised_shape is None and self.settings.fit_on == "denoised":
            raise BlinkspotError(
                "The settings ask for fits on the denoised movie, but none was given: "
                "give it, or fit on the raw one."
            )
        if denoised_shape is not None and denoised_shape != raw_shape:
            raise BlinkspotError(
                f"The denoised movie has the shape {denoised_shape} and the raw one {raw_shape}: "
                "give the denoised version of the same movie."
            )

    def _table(
        self, found: list[Rows], shape: tuple[int, ...], *, on_denoised: bool, source: dict[str, Any]
    ) -> LocalizationTable:
        rows = np.concatenate([np.empty((0, len(COLUMNS))), *found])
        return LocalizationTable.from_columns(
            dict(zip(COLUMNS, rows.T, strict=True)),
            uncertainty_is_valid=self.settings.fit_on == "raw",
            provenance=provenance(
                "localize",
                camera=self.camera,
                settings=self.settings,
                movie_shape=list(shape),
                candidates_from="denoised" if on_denoised else "raw",
                **source,
            ),
        )


def _compiling() -> Generator[Progress, None, None]:
    """Have everything compiled in another thread, saying so while that lasts."""
    clock = Stopwatch("compiling the fits (once per installation)", 1.0)
    thread = threading.Thread(target=_compile, name="compiling the fits", daemon=True)
    thread.start()
    while True:
        thread.join(SECONDS_BETWEEN_PROGRESS)
        if not thread.is_alive():
            return
        yield clock.at(0.0)


def _compile() -> None:
    picture = np.zeros((7, 7), dtype=np.float32)
    picture[3, 3] = 1.0
    candidates = find_candidates(picture, 1.0)
    fit_molecules(picture, candidates.rows, candidates.columns)


def _finite(counts: NDArray[np.float32], name: str, index: int) -> NDArray[np.float32]:
    if not np.isfinite(counts).all():
        raise BlinkspotError(
            f"Frame {index + 1} (counting from 1) of the {name} holds NaN or infinite values: "
            "mend or leave out that frame."
        )
    return counts


def _described(movie: Stack) -> dict[str, Any]:
    return {
        "name": None if movie.path is None else movie.path.name,
        "shape": list(movie.shape),
        "provenance": movie.metadata.get("provenance"),
    }
