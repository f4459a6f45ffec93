"""What a movie says of itself before a training begins."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_fits, noise_ratio
from blinkspot.camera_from_movie.noise_whiteness import noise_correlation
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_camera, check_movie
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch


@dataclass(frozen=True)
class FirstLook:
    """What the noise of a movie says.

    Attributes
    ----------
    settings : TrainingSettings
        Those given, with the blind spot, and where noise is shared in time the context frames, decided.
    noise_ratio : float
        Measured over predicted variance of the background's noise.
    warnings : list of str
        What speaks against trusting a model of this movie, a sentence each.
    """

    settings: TrainingSettings
    noise_ratio: float
    warnings: list[str]


def look_at(movie: Stack, camera: Camera, settings: TrainingSettings) -> Generator[Progress, None, FirstLook]:
    """Check movie and camera, and decide what the noise decides.

    Raises
    ------
    BlinkspotError
        If the movie or the camera cannot be used.
    """
    checking = Stopwatch("checking the movie", 4)
    warnings = []
    check_movie(movie)
    yield checking.at(1)
    check_camera(movie, camera)
    yield checking.at(2)
    ratio = noise_ratio(movie, camera)
    if not math.isfinite(ratio):
        raise BlinkspotError(
            "The background of the movie lies at or below the camera's offset, so its photons cannot be "
            "counted: check the offset."
        )
    if not noise_fits(ratio):
        warnings.append(
            f"The noise of the movie has {ratio:.2g} times the variance that the camera's "
            "settings predict: check offset, electrons per ADU and EM gain, and that the pixels are as "
            "recorded."
        )
    yield checking.at(3)
    correlation = noise_correlation(movie)
    answers = []
    if settings.blind_spot_radius_px is None:
        radius = correlation.blind_spot_radius_px
        settings = dataclasses.replace(settings, blind_spot_radius_px=radius)
        if radius:
            answers.append(f"with a blind spot of {2 * radius + 1} x {2 * radius + 1} pixels")
    if settings.context_frames is None and correlation.is_shared_in_time:
        settings = dataclasses.replace(settings, context_frames=0)  # noise would be seen in the neighbours
        answers.append("without context frames")
    if correlation.description is not None:
        done = f" This training goes on {' and '.join(answers)}." if answers else ""
        warnings.append(correlation.description + done)
    yield checking.at(4)
    return FirstLook(settings, ratio, warnings)
