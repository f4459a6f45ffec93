"""The simulated data sets of the paper, and what it found on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from blinkspot.evaluation import PRESETS

from ..trainings import Movie, simulated

BLINKING_ON_FRAMES = 4.0


@dataclass(frozen=True)
class DataSet:
    """One simulated data set.

    Attributes
    ----------
    name : str
        As the page calls it.
    preset : str
        Name of its settings.
    table : int
        The paper's table that it is in; 0 where the paper gives no figures.
    noisy_f1, denoised_f1 : float or None
        The paper's.
    """

    name: str
    preset: str
    table: int
    noisy_f1: float | None = None
    denoised_f1: float | None = None


DATA_SETS = (
    DataSet("default", "paper-default", 2, 0.936, 0.955),
    DataSet("yfp3, background 50", "paper-yfp3-bg50", 3, 0.939, 0.963),
    DataSet("yfp3, background 100", "paper-yfp3-bg100", 3, 0.935, 0.955),
    DataSet("yfp3, background 150", "paper-yfp3-bg150", 3, 0.930, 0.946),
    DataSet("yfp4, background 50", "paper-yfp4-bg50", 3, 0.903, 0.923),
    DataSet("yfp4, background 100", "paper-yfp4-bg100", 3, 0.895, 0.910),
    DataSet("yfp4, background 150", "paper-yfp4-bg150", 3, 0.886, 0.890),
    DataSet("low-light", "low-light", 0),
)

SCORED_NAMES = tuple(data_set.name for data_set in DATA_SETS if data_set.noisy_f1 is not None)
"""Names of those that the paper scores."""


def blinking_movies(
    names: Container[str], on_frames: Iterable[float], frames: int, seed: int
) -> Iterator[tuple[DataSet, float, Movie]]:
    """Simulate some data sets, each with blinks of several mean lengths, one after the other."""
    for data_set in DATA_SETS:
        if data_set.name not in names:
            continue
        for mean in on_frames:
            settings = dataclasses.replace(
                PRESETS[data_set.preset], frames=frames, seed=seed, mean_on_frames=mean
            )
            yield data_set, mean, simulated(f"{data_set.preset}, {mean:g} frames", settings)


def movie_of(data_set: DataSet, frames: int, seed: int, *, blinking: bool = False) -> Movie:
    """Simulate a data set.

    Parameters
    ----------
    data_set : DataSet
    frames : int
        Length of the movie.
    seed : int
        Of the simulation.
    blinking : bool
        Let molecules shine for 4 frames on average, in place of one.
    """
    settings = dataclasses.replace(PRESETS[data_set.preset], frames=frames, seed=seed)
    if blinking:
        settings = dataclasses.replace(settings, mean_on_frames=BLINKING_ON_FRAMES)
    return simulated(f"{data_set.preset}{' blinking' if blinking else ''}", settings)
