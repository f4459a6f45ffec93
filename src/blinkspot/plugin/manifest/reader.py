"""Lets napari open TIFF movies, folders of them and our own zarr stores, lazily."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blinkspot.movies.stack import open_stack
from blinkspot.movies.zarr_metadata import is_own_zarr, is_zarr
from blinkspot.plugin.docks.opener import name_of, tell_if_axes_guessed
from blinkspot.plugin.layers.movies import movie_layer

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads ``path``, None where it is nothing for us.

    Of zarr stores only those that we wrote are: others have readers of their own, for images of any kind.
    """
    if not isinstance(path, str):
        return None
    folder = Path(path)
    if folder.is_dir():
        if is_zarr(folder):
            return read_movie if is_own_zarr(folder) else None
        holds_tiff = any(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir())
        return read_movie if holds_tiff else None
    return read_movie if Path(path).suffix.lower() in SUFFIXES else None


def read_movie(path: str) -> list[LayerData]:
    """Open a movie without reading its pixels.

    Raises
    ------
    BlinkspotError
        If it is none; napari shows the sentence.
    """
    stack = open_stack(path)
    name = name_of(Path(path)).removesuffix(".zarr")
    tell_if_axes_guessed(stack, name)
    return [movie_layer(stack, name)]
