"""From some frames to their molecules."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.acceptance import Acceptance
from blinkspot.localization.astigmatism.height import fit_heights
from blinkspot.localization.crowding.spots import resolve_crowds
from blinkspot.localization.detection import Candidates, find_above_noise_in_frames, find_in_frames
from blinkspot.localization.duplicates import DUPLICATE_DISTANCE_PX, without_duplicates
from blinkspot.localization.fitting.molecules import Fits, fit_molecules
from blinkspot.localization.found_rows import Rows
from blinkspot.localization.psf import PsfWidth
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.table import COLUMNS
from blinkspot.progress import relayed

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

# Some 10 ms.
CANDIDATES_FITTED_AT_ONCE = 1000

_ON_RAW = ("log_likelihood_ratio", "deviance", "p_value")
_HEIGHT = ("z_nm", "uncertainty_z_nm")
_ELLIPTICAL = ("sigma_x_nm", "sigma_y_nm", "uncertainty_x_nm", "uncertainty_y_nm")


@dataclass(frozen=True)
class FramePixels:
    """What is looked at and what is fitted of some frames, in counts.

    Attributes
    ----------
    guide : ndarray of float32, shape (n, height, width)
        Where candidates are looked for and fits start from.
    fitted : ndarray of float32, shape (n, height, width)
    extra : ndarray of float32, shape (height, width), or None
        Known part of the fitted counts: read noise that differs between pixels.
    read_counts : float
        Read noise that is part of the fitted background.
    is_denoised : bool
        Whether candidates come from denoised frames.
    """

    guide: Float32Array
    fitted: Float32Array
    extra: Float32Array | None
    read_counts: float
    is_denoised: bool


@dataclass(frozen=True)
class FrameLocalizer:
    """Finds the molecules of some frames at a time, each for itself.

    Attributes
    ----------
    camera : Camera
    settings : LocalizerSettings
    width : PsfWidth
        Where fits start, and what is known of the widths.
    acceptance : Acceptance, optional
        What a molecule must reach, where the settings ask for a number of false ones.
    """

    camera: Camera
    settings: LocalizerSettings
    width: PsfWidth
    acceptance: Acceptance | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`rows` gives."""
        return (
            COLUMNS
            + (_ON_RAW if self.settings.fit_on == "raw" else ())
            + (_HEIGHT if self.settings.astigmatism is not None else ())
            + (_ELLIPTICAL if self._has_two_widths else ())
        )

    @property
    def _has_two_widths(self) -> bool:
        return self.settings.widths == "elliptical" or self.settings.astigmatism is not None

    def pixels(
        self, indices: Sequence[int], raw_adu: NDArray[Any], denoised_adu: NDArray[Any] | None = None
    ) -> FramePixels:
        """Bring frames into counts.

        Parameters
        ----------
        indices : sequence of int
            Of the frames in their movie.
        raw_adu, denoised_adu : ndarray, shape (n, height, width)

        Raises
        ------
        BlinkspotError
            If one holds NaN or infinite values.
        """
        camera = self.camera
        raw = finite(camera.counts(raw_adu), "movie", indices)
        guide = raw
        if denoised_adu is not None:
            guide = finite(camera.counts(denoised_adu), "denoised movie", indices)
        read_counts = camera.read_counts
        extra = None
        if isinstance(read_counts, np.ndarray):
            # Where pixels differ in read noise, a noisy one would look like a molecule.
            guide, extra, read_counts = guide - read_counts, read_counts, 0.0
        if self.settings.fit_on == "denoised":
            return FramePixels(guide, guide, None, read_counts, is_denoised=True)
        return FramePixels(guide, raw, extra, read_counts, is_denoised=denoised_adu is not None)

    def candidates(self, pixels: FramePixels) -> tuple[IntArray, Candidates]:
        """Find the places that are worth a fit, and which of the frames each is in."""
        # A denoised picture has no shot noise to stand out from.
        if self.acceptance is not None and not pixels.is_denoised:
            frames, candidates, _ = find_above_noise_in_frames(pixels.guide, self.acceptance.response)
            return frames, candidates
        return find_in_frames(pixels.guide, self.settings.threshold)

    def fit(
        self, pixels: FramePixels, frames: IntArray, candidates: Candidates, part: slice = slice(None)
    ) -> Fits:
        """Fit candidates as the settings say."""
        settings = self.settings
        if settings.astigmatism is not None:
            return fit_heights(
                pixels.fitted,
                candidates.rows[part],
                candidates.columns[part],
                settings.astigmatism,
                self.camera.pixel_size_nm,
                frames=frames[part],
                start=pixels.guide,
                extra=pixels.extra,
                has_register=self.camera.em_gain > 1.0,
            )
        return fit_molecules(
            pixels.fitted,
            candidates.rows[part],
            candidates.columns[part],
            frames=frames[part],
            method=settings.fit,
            elliptical=settings.widths == "elliptical",
            start=pixels.guide,
            extra=pixels.extra,
            window_px=settings.fit_window_px,
            initial_sigma_px=self.width.sigma_px,
            sigma_std_px=self.known_width.std_px,
            has_register=self.camera.em_gain > 1.0,
        )

    @property
    def known_width(self) -> PsfWidth:
        """What the fits may take for known of the widths, as the settings have it."""
        std_px = {"learned": self.width.std_px, "fixed": 0.0}.get(self.settings.widths, np.inf)
        return replace(self.width, std_px=std_px)

    def _resolved(
        self, pixels: FramePixels, frames: IntArray, candidates: Candidates, fits: Fits
    ) -> Generator[float, None, Fits]:
        """Resolve the crowds of one frame after another."""
        n = len(pixels.fitted)
        of_frame = np.split(np.arange(len(fits)), np.searchsorted(frames[fits.candidate], np.arange(1, n)))
        parts = []
        for frame, own in enumerate(of_frame):
            job = self._resolved_frame(pixels, frame, candidates, fits.chosen(own))
            parts.append((yield from relayed(job, partial(_half_done, frame, n))))
        return Fits.joined(parts)

    def _resolved_frame(
        self, pixels: FramePixels, frame: int, candidates: Candidates, fits: Fits
    ) -> Generator[float, None, Fits]:
        return resolve_crowds(
            pixels.fitted[frame],
            pixels.extra,
            candidates.rows,
            candidates.columns,
            candidates.strength,
            fits,
            window_px=self.settings.fit_window_px,
            width=self.known_width,
            most_emitters=self.settings.most_emitters,
            equal_photons=self.settings.equal_photons,
            least_log_likelihood_ratio=(
                None if self.acceptance is None else self.acceptance.log_likelihood_ratio
            ),
        )

    def rows(
        self, first: int, raw_adu: NDArray[Any], denoised_adu: NDArray[Any] | None
    ) -> Generator[float, None, Rows]:
        """Find the molecules of frames ``first``, ``first + 1``, ... of a movie.

        Parameters
        ----------
        first : int
            Index of the first frame in its movie.
        raw_adu, denoised_adu : ndarray, shape (n, height, width)

        Yields
        ------
        float
            The part that is done, between many candidates.

        Returns
        -------
        ndarray of float64, shape (n, columns)
            In the units of a table; see :attr:`columns`.
        """
        pixels = self.pixels(range(first, first + len(raw_adu)), raw_adu, denoised_adu)
        frames, candidates = self.candidates(pixels)
        singly = 0.5 if self.settings.most_emitters > 1 else 1.0
        parts = []
        for done in range(0, len(candidates), CANDIDATES_FITTED_AT_ONCE):
            if done:
                yield singly * done / len(candidates)
            part = slice(done, done + CANDIDATES_FITTED_AT_ONCE)
            fits = self.fit(pixels, frames, candidates, part)
            parts.append(replace(fits, candidate=fits.candidate + done))
        if not parts:
            return np.empty((0, len(self.columns)))
        fits = Fits.joined(parts)
        if self.settings.most_emitters > 1:
            fits = yield from self._resolved(pixels, frames, candidates, fits)
        index = first + frames[fits.candidate]
        rows = self._in_units(index, fits, candidates.strength[fits.candidate], pixels.read_counts)
        if self.acceptance is not None:
            ratio = rows[:, self.columns.index("log_likelihood_ratio")]
            rows = rows[ratio >= self.acceptance.log_likelihood_ratio]
        distance_nm = DUPLICATE_DISTANCE_PX * self.camera.pixel_size_nm
        strength = rows[:, COLUMNS.index("detection_strength")]
        return rows[without_duplicates(rows[:, 1:3], strength, distance_nm, rows[:, 0])]

    def _in_units(self, index: IntArray, fits: Fits, strength: Rows, read_counts: float) -> Rows:
        """Return rows in nm and photoelectrons."""
        pixel, factor = self.camera.pixel_size_nm, self.camera.excess_noise_factor
        values = [
            index.astype(np.float64),
            (fits.x + 0.5) * pixel,
            (fits.y + 0.5) * pixel,
            fits.sigma * pixel,
            fits.amplitude * factor,
            (fits.background - read_counts) * factor,
            fits.goodness.residual_std * factor,
            np.sqrt(0.5 * (fits.variance_x + fits.variance_y)) * pixel,
            strength,
        ]
        if self.settings.fit_on == "raw":
            goodness = fits.goodness
            values += [goodness.log_likelihood_ratio, goodness.deviance, goodness.p_value]
        if fits.z_nm is not None and fits.variance_z_nm2 is not None:
            values += [fits.z_nm, np.sqrt(fits.variance_z_nm2)]
        if self._has_two_widths:
            values += [fits.sigma_x * pixel, fits.sigma_y * pixel]
            values += [np.sqrt(fits.variance_x) * pixel, np.sqrt(fits.variance_y) * pixel]
        return np.column_stack(values)


def _half_done(frame: int, n: int, part: float) -> float:
    """Return how much is done in all once the single fits are, after frames and a part of the next."""
    return 0.5 + 0.5 * (frame + part) / n


def finite(pixels: NDArray[Any], name: str, indices: Sequence[int]) -> NDArray[Any]:
    """Return frames (n, height, width), or say which one holds NaN or infinite values."""
    if not np.isfinite(pixels).all():
        bad = indices[int(np.argmin(np.isfinite(pixels).all(axis=(1, 2))))]
        raise BlinkspotError(
            f"Frame {bad + 1} (counting from 1) of the {name} holds NaN or infinite values: "
            "mend or leave out that frame."
        )
    return pixels
