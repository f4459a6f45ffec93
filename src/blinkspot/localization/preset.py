"""Another program's analysis in the place of our own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.detection import Candidates
from blinkspot.localization.found_rows import Rows
from blinkspot.localization.frame import finite
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.table import COLUMNS
from blinkspot.localization.thunderstorm import (
    ThunderstormSettings,
    base_level_removed,
    find_candidates,
    fit_candidates,
)
from blinkspot.progress import relayed

# Some 20 ms; its maximum likelihood fit takes half a millisecond, at times twenty.
CANDIDATES_FITTED_AT_ONCE = 40


@dataclass(frozen=True)
class ThunderstormLocalizer:
    """Finds the molecules of some frames as ThunderSTORM does.

    Attributes
    ----------
    camera : Camera
    settings : LocalizerSettings
        Those that ThunderSTORM has: threshold, fit, window and initial sigma.
    """

    camera: Camera
    settings: LocalizerSettings

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`rows` gives."""
        return COLUMNS

    @property
    def thunderstorm(self) -> ThunderstormSettings:
        """Its own settings."""
        given = self.settings
        return ThunderstormSettings(
            fit=given.fit,
            threshold=given.threshold,
            fit_radius_px=given.fit_window_px // 2,
            initial_sigma_px=given.initial_sigma_px or ThunderstormSettings.initial_sigma_px,
        )

    def rows(
        self, first: int, raw_adu: NDArray[Any], denoised_adu: NDArray[Any] | None
    ) -> Generator[float, None, Rows]:
        """Find the molecules of frames; as :meth:`.frame.FrameLocalizer.rows`.

        Yields
        ------
        float
            The part that is done, between many candidates.

        Returns
        -------
        ndarray of float64, shape (n, columns)
        """
        name, frames = ("movie", raw_adu) if denoised_adu is None else ("denoised movie", denoised_adu)
        finite(frames, name, range(first, first + len(frames)))
        parts = [np.empty((0, len(COLUMNS)))]
        for index, frame in enumerate(frames):
            job = self._rows_of_frame(first + index, frame)
            parts.append((yield from relayed(job, partial(_done, index, len(frames)))))
        return np.concatenate(parts)

    def _rows_of_frame(self, index: int, frame: NDArray[Any]) -> Generator[float, None, Rows]:
        settings = self.thunderstorm
        pixels = base_level_removed(frame, self.camera)
        candidates = find_candidates(pixels, settings.threshold, settings.fit_radius_px)
        parts = [np.empty((0, len(COLUMNS)))]
        yield 0.0
        for first in range(0, len(candidates), CANDIDATES_FITTED_AT_ONCE):
            if first:
                yield first / len(candidates)
            part = slice(first, first + CANDIDATES_FITTED_AT_ONCE)
            some = Candidates(candidates.rows[part], candidates.columns[part], candidates.strength[part])
            found = fit_candidates(pixels, some, self.camera, settings)
            frames = np.full(len(found["x_nm"]), float(index))
            parts.append(np.column_stack([frames, *(found[name] for name in COLUMNS[1:])]))
        return np.concatenate(parts)


def check_preset(settings: LocalizerSettings, *, on_denoised: bool) -> None:
    """Refuse what ThunderSTORM does not have.

    Raises
    ------
    BlinkspotError
        If there is a denoised movie, and the fits are to be on the raw one.
    """
    if settings.preset == "thunderstorm" and on_denoised and settings.fit_on == "raw":
        raise BlinkspotError(
            "ThunderSTORM looks for molecules where it fits them: "
            "fit on the denoised movie, or localize the raw one alone."
        )


def _done(frame: int, n: int, part: float) -> float:
    """Return how much is done after frames and a part of the next."""
    return (frame + part) / n
