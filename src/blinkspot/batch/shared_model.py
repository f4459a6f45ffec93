"""One model for all movies: which movies it is trained on, and what becomes of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blinkspot.batch.opened import opened_movie
from blinkspot.batch.recipe import Recipe
from blinkspot.batch.steps import Train
from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.movies.checks import check_movie


@dataclass(frozen=True)
class SharedModel:
    """One model for all movies: a file, or to be trained.

    Attributes
    ----------
    path : Path
    key : str
        What it is made of.
    camera : Camera
        Its camera, from which the movies have what they do not state.
    training : Train or None
        What makes it.
    notes : tuple of str
        What was not given of the camera, and where it comes from.
    """

    path: Path
    key: str
    camera: Camera
    training: Train | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Joined:
    """The movies that one model is trained on.

    Attributes
    ----------
    movies : tuple of Path
    left_out : dict
        Of the others, by their path, a sentence that says why not.
    """

    movies: tuple[Path, ...]
    left_out: dict[Path, str]


def is_shared(recipe: Recipe) -> bool:
    """Tell whether one model is trained on all movies."""
    return recipe.train is not None and recipe.train.models == "all"


def joined(paths: Sequence[Path]) -> Joined:
    """Return which movies one model can be trained on.

    Those that cannot be opened or trained on are left out; so are those of another frame size or pixel type
    than most. Where no kind has more than half of the movies none is left out: which of them is meant cannot
    be told.
    """
    kinds: dict[Path, str] = {}
    left_out: dict[Path, str] = {}
    for path in paths:
        try:
            movie = opened_movie(path)
            check_movie(movie)
        except BlinkspotError as error:
            left_out[path] = str(error)
        else:
            kinds[path] = f"{movie.height} x {movie.width} pixels of {movie.dtype}"
    if kinds:
        usual, count = Counter(kinds.values()).most_common(1)[0]
        for path, kind in kinds.items():
            if kind != usual and 2 * count > len(kinds):
                left_out[path] = (
                    f"{path.name} has frames of {kind}, and most movies, on which the one model for all is "
                    f"trained, of {usual}: give it to a batch of its own."
                )
    return Joined(tuple(path for path in paths if path not in left_out), left_out)
