"""The residual of a movie, from its frames to its figures."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.residuals.moments import Moments
from blinkspot.evaluation.residuals.result import Residuals
from blinkspot.evaluation.residuals.settings import ResidualSettings
from blinkspot.evaluation.residuals.spots import Maxima, spot_excess
from blinkspot.evaluation.residuals.standardised import (
    ResidualFrames,
    by_denoised,
    by_model,
    white_residual,
)
from blinkspot.movies.checks import check_camera, check_denoised, check_movie
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import provenance

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

# Of white noise so many pixels are simulated, at most.
_SIMULATED_PIXELS = 2**23
_PIXELS_AT_ONCE = 2**17


def check_residuals(
    noisy: Stack | Any,
    camera: Camera,
    denoiser_or_denoised: Denoiser | Stack | Any,
    settings: ResidualSettings | None = None,
) -> Generator[Progress, None, Residuals]:
    """Check whether what a denoiser leaves over is white noise, as it is if the denoiser is right.

    Parameters
    ----------
    noisy : Stack or array, shape (T, Y, X)
        Movie as recorded, ADU.
    camera : Camera
        Its camera.
    denoiser_or_denoised : Denoiser, or Stack or array of shape (T, Y, X)
        The model, whose word on each pixel from the others is put to the test; or a denoised movie in ADU,
        from whatever program, of which less can be said (see :mod:`.standardised`).
    settings : ResidualSettings, optional

    Yields
    ------
    Progress

    Returns
    -------
    Residuals

    Raises
    ------
    BlinkspotError
        If the movie cannot be used, the model is of another camera, or the denoised movie of another shape or
        the noisy one itself, or not in its ADU.
    """
    settings = settings or ResidualSettings()
    noisy = as_stack(noisy)
    clock = Stopwatch("checking the movie", 1.0)
    # By what it can do: importing its class takes seconds.
    is_model = hasattr(denoiser_or_denoised, "predict")
    source: dict[str, Any] | None
    if is_model:
        denoiser = cast("Denoiser", denoiser_or_denoised)
        yield from waited_for(lambda: denoiser.check_matches(noisy, camera), clock)
        parts, source = by_model(noisy, denoiser), denoiser.provenance
    else:
        yield from waited_for(lambda: check_movie(noisy), clock)
        yield from waited_for(lambda: check_camera(noisy, camera), clock)
        denoised = as_stack(denoiser_or_denoised)
        if denoised.shape != noisy.shape:
            raise BlinkspotError(
                f"The noisy movie has the shape {noisy.shape} (frames, height, width) and the denoised one "
                f"{denoised.shape}: give the denoised version of the same movie."
            )
        yield from waited_for(lambda: check_denoised(denoised, noisy, camera), clock)
        parts, source = by_denoised(noisy, denoised, camera), denoised.metadata.get("provenance")
    moments = Moments((noisy.height, noisy.width), min(settings.largest_lag, noisy.n_frames - 1))
    found, white = Maxima(), Maxima()
    random = np.random.default_rng(settings.seed)
    every = -(-noisy.n_frames * noisy.height * noisy.width // _SIMULATED_PIXELS)
    for part in parts:
        yield part.progress
        for index in range(len(part.residual)):
            turns = [moments.add(part.residual[index]), found.add(part.residual[index])]
            if (part.start + index) % every == 0:
                turns.append(_simulated(part, index, camera, random, white))
            for turn in turns:
                for _ in turn:
                    yield part.progress
    if not moments.variance > 0:
        raise BlinkspotError("Nothing is left over: the denoised movie is the noisy one. Denoise it first.")
    if not is_model:
        white = white.scaled(np.sqrt(moments.variance))
    frequency, power, power_n = moments.spectrum()
    return Residuals(
        by_model=is_model,
        frames=moments.n_frames,
        variance=moments.variance,
        variance_error=moments.variance_error,
        fourth=moments.fourth / moments.n,
        mean_map=moments.total / moments.n_frames,
        square_map=moments.squares / moments.n_frames,
        frequency=frequency,
        power=power,
        power_n=power_n,
        spatial=moments.spatial_correlation(),
        temporal=moments.temporal_correlation(),
        lost=spot_excess(found, white, settings.false_per_megapixel, upwards=True),
        invented=spot_excess(found, white, settings.false_per_megapixel, upwards=False),
        provenance=provenance(
            "residuals",
            camera=camera,
            settings=settings,
            seed=settings.seed,
            source=None if noisy.path is None else noisy.path.name,
            compared_with=source,
        ),
    )


def _simulated(
    part: ResidualFrames, index: int, camera: Camera, random: np.random.Generator, white: Maxima
) -> Iterator[None]:
    """Add a frame of white noise that has the means and variances of one of these frames."""
    mean, variance = part.mean[index], part.variance[index]
    frame = np.empty(mean.shape, np.float32)
    rows = max(1, _PIXELS_AT_ONCE // mean.shape[1])
    for top in range(0, len(mean), rows):
        some = slice(top, top + rows)
        frame[some] = white_residual(mean[some], variance[some], camera, random)
        yield
    yield from white.add(frame)
