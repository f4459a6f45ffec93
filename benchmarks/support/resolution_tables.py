"""Tables whose resolution is measured: simulated ones of known precision, and those of the shared movies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blinkspot import Camera, LocalizationTable, Localizer, open_stack
from blinkspot.evaluation.scoring.matching import match, pairs_within
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.progress import finish

from . import SHARED, truth_movie
from .drifting import filaments, origami

FloatArray = NDArray[np.float64]

FIELD_NM = 6_400.0
PIXEL_NM = 100.0


@dataclass(frozen=True)
class Sample:
    """A table of a square field, and the standard deviation of its errors where that is known, nm."""

    name: str
    table: LocalizationTable
    extent_nm: float
    true_precision_nm: float | None


def rings(random: np.random.Generator, n: int) -> FloatArray:
    """Return ``n`` places on 50 circles of 100 nm diameter, as of nuclear pores."""
    centres = random.uniform(100.0, FIELD_NM - 100.0, (50, 2))
    angles = random.uniform(0.0, 2.0 * np.pi, n)
    around = 50.0 * np.column_stack((np.cos(angles), np.sin(angles)))
    return centres[random.integers(len(centres), size=n)] + around


STRUCTURES: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "filaments": filaments,
    "origami": origami,
    "rings": rings,
}


def blinking_sample(
    structure: str, precision_nm: float, seed: int, blinks: int = 20_000, frames: int = 5000
) -> Sample:
    """Return molecules that shine for 3 frames on average, found with Gaussian errors of one width."""
    random = np.random.default_rng(seed)
    # The same place is seen ten times. The first two structures are made on a larger field.
    sites = np.empty((0, 2))
    while len(sites) < blinks // 10:
        more = STRUCTURES[structure](random, blinks)
        sites = np.concatenate((sites, more[np.all(more < FIELD_NM, axis=1)]))
    sites = sites[: blinks // 10]
    place = sites[random.integers(len(sites), size=blinks)]
    on = random.geometric(1.0 / 3.0, blinks)
    blink = np.repeat(np.arange(blinks), on)
    since = np.arange(len(blink)) - np.repeat(np.cumsum(on) - on, on)
    frame = random.integers(0, frames, blinks)[blink] + since
    found = place[blink] + random.normal(0.0, precision_nm, (len(blink), 2))
    kept = (frame < frames) & np.all((found > 0) & (found < FIELD_NM), axis=1)
    size_px = round(FIELD_NM / PIXEL_NM)
    table = LocalizationTable.from_columns(
        {
            "frame": frame[kept],
            "x_nm": found[kept, 0],
            "y_nm": found[kept, 1],
            "uncertainty_nm": np.full(kept.sum(), precision_nm),
        },
        provenance={"movie_shape": [frames, size_px, size_px], "camera": {"pixel_size_nm": PIXEL_NM}},
    )
    return Sample(f"{structure}, {precision_nm:g} nm", table, FIELD_NM, precision_nm)


def shared_samples() -> Iterator[Sample]:
    """Localize the blinking movie and the real one."""
    shared = truth_movie("blinking_low60")
    table = finish(Localizer(shared.camera, LocalizerSettings(threshold=1.3)).localize(shared.movie))
    # By the median, which false molecules do not move: that of a distance is 1.177 standard deviations.
    distance_nm = match(pairs_within(table, shared.truth, 200.0)).distance_nm
    precision_nm = float(np.median(distance_nm) / np.sqrt(2.0 * np.log(2.0)))
    yield Sample("blinking_low60", table, 12_800.0, precision_nm)
    camera = Camera(pixel_size_nm=100.0, offset_adu=1125.0, electrons_per_adu=1.0 / 19.5)
    movie = open_stack(SHARED / "real" / "eos_actin_palm_300x96x96.tif")
    table = finish(Localizer(camera, LocalizerSettings(threshold=2.0)).localize(movie))
    yield Sample("Eos-actin (real)", table, 9_600.0, None)
