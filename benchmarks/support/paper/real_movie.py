"""The paper's Table 1, on a real movie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from blinkspot import Camera, LocalizationTable, Localizer, LocalizerSettings, Stack, as_stack, open_stack
from blinkspot.camera import FloatArray
from blinkspot.camera_from_movie.estimate import estimate_camera
from blinkspot.evaluation import TooFewMolecules, calibrate_uncertainties
from blinkspot.progress import finish

from .. import SHARED
from .lines import Run
from .models import Trained, denoised
from .protocols import PAPERS
from .results import Figures

PATH = SHARED / "real" / "eos_actin_palm_300x96x96.tif"
# Nobody wrote it down; with this one the width of what blinks, 1.17 pixels, is 117 nm.
PIXEL_SIZE_NM = 100.0
STANDING_NM, STANDING_SHARE = 150.0, 0.2


@dataclass(frozen=True)
class RealMovie:
    """The real movie, before and after.

    Attributes
    ----------
    stack : Stack
    camera : Camera
        As the movie's own noise tells it; its EM gain is not known, so its photons are the counts whose
        variance equals their mean.
    trained : Trained
    frames : (T, Y, X) float32
        Denoised photoelectrons.
    """

    stack: Stack
    camera: Camera
    trained: Trained
    frames: FloatArray

    @property
    def denoised_adu(self) -> Stack:
        """The denoised movie as the camera would have it."""
        return as_stack(self.camera.adu(self.frames))


def real_movie(run: Run) -> RealMovie:
    """Open the real movie, train on it, denoise it."""
    stack = open_stack(PATH)
    estimated = estimate_camera(stack).camera(em_gain=1.0)
    camera = Camera.from_dict({**estimated.as_dict(), "pixel_size_nm": PIXEL_SIZE_NM})
    trained = run.models.trained("eos-actin", stack, camera)
    return RealMovie(stack, camera, trained, denoised(stack, trained.model))


def real_tables(movie: RealMovie) -> dict[str, LocalizationTable]:
    """Localize it by the paper's protocol and by our own default, noisy and denoised."""
    own = LocalizerSettings()
    on_denoised = Localizer(movie.camera, LocalizerSettings(fit_on="denoised"))
    fitted = finish(on_denoised.localize(movie.stack, movie.denoised_adu))
    try:
        fitted = finish(
            calibrate_uncertainties(fitted, movie.denoised_adu, movie.trained.model, on_denoised, 1)
        )
    except TooFewMolecules as error:
        print(f"Uncertainties of fits on the denoised real movie stay as fitted: {error}")
    return {
        "paper's protocol, noisy": finish(Localizer(movie.camera, PAPERS).localize(movie.stack)),
        "paper's protocol, denoised": finish(Localizer(movie.camera, PAPERS).localize(movie.denoised_adu)),
        "our default, noisy": finish(Localizer(movie.camera, own).localize(movie.stack)),
        "our default, found on denoised, fitted on raw": finish(
            Localizer(movie.camera, own).localize(movie.stack, movie.denoised_adu)
        ),
        "our default, found and fitted on denoised": fitted,
    }


def table_1(run: Run) -> dict[str, Figures]:
    """Molecules located, mean and standard deviation of sigma and of uncertainty, before and after."""

    def measure() -> Figures:
        movie = real_movie(run)
        return {name: _row(table, movie.stack.n_frames) for name, table in real_tables(movie).items()}

    return run.results.of("table 1, eos-actin", measure)


def _standing(table: LocalizationTable, n_frames: int) -> float:
    """Return the share of localizations that lie where there is one in more than a fifth of the frames."""
    places = np.column_stack([table.column("x_nm"), table.column("y_nm")])
    frame = table.column("frame")
    near = cKDTree(places).query_ball_point(places, STANDING_NM)
    frames = np.array([len(np.unique(frame[rows])) for rows in near])
    return float(np.mean(frames > STANDING_SHARE * n_frames))


def _row(table: LocalizationTable, n_frames: int) -> Figures:
    sigma, uncertainty = table.column("sigma_nm"), table.column("uncertainty_nm")
    return {
        "located": len(table),
        "standing": _standing(table, n_frames),
        "sigma_mean_nm": float(np.mean(sigma)),
        "sigma_std_nm": float(np.std(sigma)),
        "sigma_median_nm": float(np.median(sigma)),
        "uncertainty_mean_nm": float(np.mean(uncertainty)),
        "uncertainty_std_nm": float(np.std(uncertainty)),
        "uncertainty_median_nm": float(np.median(uncertainty)),
        "uncertainty_is_true": bool(table.uncertainty_is_valid),
    }
