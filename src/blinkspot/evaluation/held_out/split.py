"""One split of a movie: what is found in the kept part, and how much light the held-out part has there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.evaluation.held_out.background import Background, BackgroundMeter
from blinkspot.evaluation.held_out.pictures import PictureJudge, Prediction
from blinkspot.evaluation.held_out.strata import BLOCKS
from blinkspot.evaluation.held_out.thinning import Thinning
from blinkspot.evaluation.held_out.window_light import WindowLight, measure_windows
from blinkspot.evaluation.route_names import ROUTE_NAMES, RouteName
from blinkspot.localization import LocalizationTable, Localizer, LocalizerSettings
from blinkspot.localization.fitting.molecules import FitPixels
from blinkspot.movies.stack import Stack, open_stack
from blinkspot.movies.writing import StackWriter
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

FloatArray = NDArray[np.float64]

PIXELS_AT_ONCE = 2**17
# A fit may promise less light than nothing, or so little that it has no window.
_LEAST_SIGMA_PX = 0.3


@dataclass(frozen=True)
class FoundInSplit:
    """What was found in the kept part along one route, and the held-out light there.

    Attributes
    ----------
    table : LocalizationTable
    light : WindowLight
        Of each row.
    """

    table: LocalizationTable
    light: WindowLight


def block_of(frames: NDArray[np.int64], n_frames: int) -> NDArray[np.int64]:
    """Return which of the blocks, that are left out in turn, each frame is in."""
    return frames * BLOCKS // n_frames


class KeptMovie:
    """The kept part of a movie, and its denoised version in a temporary folder; a context manager.

    Parameters
    ----------
    thinning : Thinning
    """

    def __init__(self, thinning: Thinning) -> None:
        self.thinning = thinning
        self.noisy = thinning.kept
        self.camera = thinning.kept_camera
        self.denoised: Stack | None = None
        self._open = ExitStack()

    def __enter__(self) -> KeptMovie:
        self._folder = Path(self._open.enter_context(TemporaryDirectory(prefix="blinkspot-")))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def denoise(self, model: Denoiser, trained_here: bool) -> Generator[Progress, None, None]:
        """Denoise the kept part by a model that was trained on it, or on the whole movie."""
        path = self._folder / "denoised.tif"
        p = self.thinning.kept_share
        given = self.noisy if trained_here else self.thinning.rescaled
        with StackWriter(path, given.shape) as writer:
            for chunk in model.denoise(given):
                light = chunk.frames if trained_here else np.float32(p) * chunk.frames
                if len(light):
                    writer.write(self.camera.adu(light))
                yield chunk.progress
        self.denoised = open_stack(path)


def routes_of(denoised: Stack | None) -> tuple[RouteName, ...]:
    """Return the routes that can be followed."""
    return ROUTE_NAMES if denoised is not None else ROUTE_NAMES[:1]


def localized(
    route: RouteName, noisy: Stack, denoised: Stack | None, camera: Camera, settings: LocalizerSettings
) -> Generator[Progress, None, LocalizationTable]:
    """Localize along a route."""
    fit_on: FitPixels = "denoised" if route == "denoised_fit_denoised" else "raw"
    localizer = Localizer(camera, replace(settings, fit_on=fit_on))
    return localizer.localize(noisy, None if route == "noisy" else denoised)


def survey(kept: KeptMovie) -> Generator[Progress, None, tuple[Background, FloatArray]]:
    """Read the kept part once: its background, and its mean over time, (Y, X) counts."""
    movie = kept.noisy
    meter = BackgroundMeter()
    total = np.zeros((movie.height, movie.width))
    clock = Stopwatch("measuring the background", movie.n_frames)
    for start, stop in _chunks(movie):
        counts = kept.thinning.kept_counts(start, stop)
        meter.add(counts)
        total += counts.sum(axis=0, dtype=np.float64)
        yield clock.at(stop)
    return meter.background(), total / movie.n_frames


def judged_pictures(kept: KeptMovie, mean: FloatArray) -> Generator[Progress, None, tuple[Prediction, ...]]:
    """Tell which picture of the kept part predicts the held-out part best."""
    movie, thinning = kept.noisy, kept.thinning
    camera = thinning.camera
    judge = PictureJudge(mean, thinning.kept_share, camera.read_counts, camera.excess_noise_factor, BLOCKS)
    blocks = block_of(np.arange(movie.n_frames), movie.n_frames)
    clock = Stopwatch("predicting the held-out photons", movie.n_frames)
    at_hand: dict[int, NDArray[np.float32]] = {}
    for start, stop in _chunks(movie):
        held_out = thinning.held_out_counts(start, stop).sum(axis=0)
        first, last = judge.around(start, stop, movie.n_frames)
        at_hand = {index: frame for index, frame in at_hand.items() if index >= first}
        for index in range(first, last):
            if index not in at_hand:
                at_hand[index] = thinning.kept_counts(index, index + 1)[0]
                yield clock.at(start)
        around = np.stack([at_hand[index] for index in range(first, last)])
        denoised = None
        if kept.denoised is not None:
            denoised = kept.camera.counts(kept.denoised.frames(start, stop))
        judge.add(blocks[start:stop], held_out, around, start - first, denoised)
        yield clock.at(stop)
    return judge.predictions()


def held_out_light(
    kept: KeptMovie, table: LocalizationTable, background: Background, window_px: int
) -> Generator[Progress, None, WindowLight]:
    """Measure the held-out light of each row of a table, which is by frame."""
    thinning = kept.thinning
    camera, p = thinning.camera, thinning.kept_share
    movie = kept.noisy
    pixel_nm, factor, scale = camera.pixel_size_nm, camera.excess_noise_factor, (1.0 - p) / p
    frame = table.column("frame")
    x_px, y_px = (table.column(name) / pixel_nm - 0.5 for name in ("x_nm", "y_nm"))
    sigma_px = np.maximum(table.column("sigma_nm") / pixel_nm, _LEAST_SIGMA_PX)
    promised = table.column("photons") / factor * scale
    dark = np.maximum(background.at(frame, x_px, y_px) * scale, 1e-6)
    light_share = np.clip(1.0 - (1.0 - p) * float(np.mean(camera.read_counts)) / dark, 0.0, 1.0)
    clock = Stopwatch("looking for the molecules in the held-out part", movie.n_frames)
    parts = []
    for start, stop in _chunks(movie):
        rows = slice(*np.searchsorted(frame, (start, stop)).tolist())
        held_out = thinning.held_out_counts(start, stop)
        # Where pixels differ in read noise, it is no background that all have alike.
        held_out = held_out - np.float32(0.5 * (1.0 - p)) * np.float32(camera.read_counts)
        parts.append(
            measure_windows(
                held_out,
                thinning.kept_counts(start, stop),
                frame[rows] - start,
                x_px[rows],
                y_px[rows],
                sigma_px[rows],
                promised[rows],
                dark[rows],
                light_share[rows],
                thinning,
                window_px,
            )
        )
        yield clock.at(stop)
    return WindowLight.joined(parts)


def found_in(
    kept: KeptMovie, background: Background, settings: LocalizerSettings
) -> Generator[Progress, None, dict[RouteName, FoundInSplit]]:
    """Localize the kept part along each route and look at the held-out part there."""
    found = {}
    for route in routes_of(kept.denoised):
        table = yield from localized(route, kept.noisy, kept.denoised, kept.camera, settings)
        light = yield from held_out_light(kept, table, background, settings.fit_window_px)
        found[route] = FoundInSplit(table, light)
    return found


def _chunks(movie: Stack) -> list[tuple[int, int]]:
    """Return first and last frames of parts of a movie that are worked on at once."""
    size = max(1, PIXELS_AT_ONCE // (movie.height * movie.width))
    return [(start, min(start + size, movie.n_frames)) for start in range(0, movie.n_frames, size)]
