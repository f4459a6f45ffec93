"""Localize a movie into a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Self

from blinkspot.localization.found_rows import KeptRows
from blinkspot.localization.localizer import Localizer
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.table_files import TableFormat
from blinkspot.movies.identity import movie_identity
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress
from blinkspot.provenance import package_version


class LocalizedFile:
    """A table of localizations on its way into a file; a context manager.

    What is found is kept when that ends early, in whatever way, and gone on with when the same movie is
    localized into the same file again in the same way: the table is then the same as without the break.

    Parameters
    ----------
    localizer : Localizer
    movie : Stack, shape (T, height, width)
        The movie as recorded, ADU.
    path : path
        Table to make, ``.csv`` or ``.hdf5``.
    denoised : Stack, shape (T, height, width), optional
        The same movie denoised; see :meth:`Localizer.localize`.
    restart : bool
        Remove what is kept of this file, and begin anew.

    Raises
    ------
    BlinkspotError
        On entering, if the table exists, cannot be written or is being made by another process.
    """

    def __init__(
        self,
        localizer: Localizer,
        movie: Stack,
        path: str | os.PathLike[str],
        denoised: Stack | None = None,
        *,
        restart: bool = False,
    ) -> None:
        self._localizer, self._movie, self._denoised = localizer, movie, denoised
        self._path = Path(path)
        identity = {
            "movie": movie_identity(movie),
            "denoised movie": None if denoised is None else movie_identity(denoised),
            "setting of the localizer": localizer.settings.used(),
            "camera": localizer.camera.identity(),
            "version of napari-blinkspot": package_version(),
        }
        self._rows = KeptRows(self._path, identity, movie.n_frames, restart=restart)

    @property
    def note(self) -> str:
        """From entering on: what happened to what there was; empty where there was nothing."""
        return self._rows.note

    @property
    def kept(self) -> str:
        """After an early end: how much is kept, in a sentence; empty where nothing is."""
        frames, of = self._rows.frames_kept, self._movie.n_frames
        if frames == 0 or not self._rows.kept_in.is_dir():
            return ""
        return (
            f"Stopped after {frames} of {of} frames, whose molecules are kept in {self._rows.kept_in}: "
            "localize into the same file again to go on."
        )

    def __enter__(self) -> Self:
        self._rows.__enter__()
        return self

    def localize(self) -> Generator[Progress, None, LocalizationTable]:
        """Find the molecules of the frames that are still missing, and return those of all.

        To be run in the ``with`` block; see :meth:`Localizer.localize`.
        """
        return self._localizer.localize(self._movie, self._denoised, self._rows)

    def save(self, table: LocalizationTable, *, format: TableFormat | None = None) -> None:
        """Write the table, in the ``with`` block; nothing else is kept then.

        Parameters
        ----------
        table : LocalizationTable
            What :meth:`localize` returned, or what was made of it.
        format : {"thunderstorm", "picasso", "smap"}, optional
            See :meth:`LocalizationTable.save`.
        """
        with self._rows.saving():
            table.save(self._path, format=format)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows.__exit__(kind, error, traceback)
