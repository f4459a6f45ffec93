"""The photon limit of a blinking movie; ``context_limit.py`` tells the method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from blinkspot.evaluation import SimulationSettings
from blinkspot.evaluation.simulation.background import Background

from .blink_posterior import OFF, ON, sample_movie
from .limit import observed, prior_range
from .trainings import Movie

FloatArray = NDArray[np.float64]

_SCATTER_PX = 0.7
_LEAST_PART = 1e-3  # of a frame: a blink that is there shines


def posterior_mean_movie(
    movie: Movie,
    context_frames: int | None,
    law: str,
    *,
    sweeps: int = 300,
    scattered: bool = False,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return the posterior mean of each frame of a blinking movie, given some of its frames.

    Parameters
    ----------
    movie : Movie
        Simulated with molecules that shine once each, for exponential times, and stay where they are.
    context_frames : int, optional
        How many frames on each side are known besides the frame itself; None: all frames.
    law : {"quasi-Poisson", "exact"}
        Law of the noise.
    sweeps : int
        Length of a chain; half as many go before.
    scattered : bool
        Begin away from the truth: each place by 0.7 pixels, photons and widths drawn anew.
    seed : int
        Of all random numbers.

    Returns
    -------
    (T, Y, X) float32
        Photoelectrons.
    """
    settings, n_frames = movie.settings, movie.stack.n_frames
    random = np.random.default_rng(seed)
    lowest, highest = prior_range(settings)
    blinks = true_blinks(movie)
    if scattered:
        blinks[:, :2] += random.normal(0.0, _SCATTER_PX, (len(blinks), 2))
        blinks[:, 2:4] = random.uniform(lowest[2:], highest[2:], (len(blinks), 2))
    blinks[:, :4] = np.clip(blinks[:, :4], lowest, highest)
    kind, first, second = observed(movie.stack.frames(0, n_frames), settings.camera, law)
    known = _known_fields(settings)

    def mean_of(start: int, stop: int) -> NDArray[np.float32]:
        """Return the mean of some frames, given these alone."""
        shining = blinks[(blinks[:, ON] < stop) & (blinks[:, OFF] > start)]
        shining[:, ON:] -= start
        halves: NDArray[np.float32] = sample_movie(
            kind,
            first[start:stop],
            second[start:stop],
            known[0],
            shining,
            *known[1:],
            lowest,
            highest,
            settings.mean_on_frames,
            sweeps // 2,
            sweeps,
            int(random.integers(2**31)),
        )
        return halves.mean(axis=0)

    if context_frames is None:
        return mean_of(0, n_frames)
    mean = np.empty((n_frames, *settings.shape_px), np.float32)
    for frame in range(n_frames):
        start = max(0, frame - context_frames)
        mean[frame] = mean_of(start, min(n_frames, frame + context_frames + 1))[frame - start]
    return mean


def true_blinks(movie: Movie) -> FloatArray:
    """Return the blinks of a movie as its truth's rows tell them, (n, 6): :mod:`.blink_posterior`.

    A frame's photons are a part of those of the brightest frame of the blink. Of a blink that never fills a
    frame, the brightness is not told: as near to it as the settings allow.
    """
    settings, truth = movie.settings, movie.truth
    pixel = settings.camera.pixel_size_nm
    lit = np.ones(len(truth))
    if settings.illumination is not None:
        picture = settings.illumination.on_pixels(settings.field)
        lit = settings.field.values_at(picture, truth.column("x_nm"), truth.column("y_nm"))
    rows = truth.data.assign(fully_lit=truth.column("photons") / lit).sort_values(["molecule", "frame"])
    blinks = []
    for _, of_one in rows.groupby("molecule"):
        photons, frames = of_one["fully_lit"].to_numpy(), of_one["frame"].to_numpy()
        brightness = float(np.clip(photons.max(), *settings.photons))
        parts = np.clip(photons / brightness, _LEAST_PART, 1.0)
        one = len(frames) == 1
        on = frames[0] + (0.5 if one else 1.0) * (1.0 - parts[0])
        off = on + parts[0] if one else frames[-1] + parts[-1]
        place = of_one.iloc[0]
        x, y = place["x_nm"] / pixel - 0.5, place["y_nm"] / pixel - 0.5
        blinks.append((x, y, place["sigma_nm"] / pixel, brightness, on, off))
    return np.array(blinks).reshape(-1, 6)


def _known_fields(settings: SimulationSettings) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return background, illumination and density of molecules, (Y, X) each."""
    fields = [Background(settings).in_frame(0), 1.0, 1.0]
    if settings.illumination is not None:
        fields[1] = settings.illumination.on_pixels(settings.field)
    if settings.structure is not None:
        fields[2] = settings.structure.on_pixels(settings.field)
    background, illumination, density = (
        np.ascontiguousarray(np.broadcast_to(each, settings.shape_px), np.float64) for each in fields
    )
    return background, illumination, density
