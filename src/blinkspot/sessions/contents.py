"""A session with what belongs to it: models, tables, movies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from blinkspot.camera import Camera
from blinkspot.movies.stack import Stack
from blinkspot.sessions.record import SessionRecord

if TYPE_CHECKING:  # importing it takes a second
    from blinkspot.localization import LocalizationTable


class Savable(Protocol):
    """What writes itself as one new file: a model, a calibration."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file."""


@dataclass(frozen=True)
class SessionTable:
    """A table of a session.

    Attributes
    ----------
    source : callable
        Returns the table before the steps; may take time.
    processed : LocalizationTable or None
        After them, where there are some.
    """

    source: Callable[[], LocalizationTable]
    processed: LocalizationTable | None = None


@dataclass(frozen=True)
class SessionContents:
    """A session with what belongs to it.

    Attributes
    ----------
    record : SessionRecord
        Without the files within the folder.
    movies : mapping of Stack
        By name: those shown.
    cameras : mapping of Camera
        By name of the movie.
    models : mapping of Savable
        By name.
    tables : mapping of SessionTable
        By name.
    denoised : mapping of Stack
        By name: denoised movies that are only in memory.
    calibrations : mapping of Savable
        Astigmatism calibrations by the path that the record names.
    denoised_files : mapping of Stack
        By name: denoised movies that have a file.
    """

    record: SessionRecord
    movies: Mapping[str, Stack] = field(default_factory=dict)
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    models: Mapping[str, Savable] = field(default_factory=dict)
    tables: Mapping[str, SessionTable] = field(default_factory=dict)
    denoised: Mapping[str, Stack] = field(default_factory=dict)
    calibrations: Mapping[str, Savable] = field(default_factory=dict)
    denoised_files: Mapping[str, Stack] = field(default_factory=dict)

    @property
    def in_memory(self) -> dict[str, Stack]:
        """The movies, recorded and denoised, that are in no file."""
        recorded = {name: movie for name, movie in self.movies.items() if movie.path is None}
        return {**recorded, **self.denoised}
