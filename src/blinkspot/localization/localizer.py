"""From movies to tables of localizations."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.localization.acceptance import Acceptance, EmptyFrames, false_molecules
from blinkspot.localization.compile_ahead import compiling
from blinkspot.localization.found_rows import Column, FoundRows, Rows
from blinkspot.localization.frame import FrameLocalizer
from blinkspot.localization.preset import ThunderstormLocalizer, check_preset
from blinkspot.localization.psf import PsfWidth
from blinkspot.localization.psf_learning import MovieFrames, MovieSample, sampled
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.table import LocalizationTable
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch, finish, relayed
from blinkspot.provenance import provenance

PIXELS_READ_AT_ONCE = 2**20
# What is worked on between two looks at the clock: some 10 ms.
PIXELS_LOCALIZED_AT_ONCE = 2**18
SECONDS_BETWEEN_PROGRESS = 0.04
# Beyond it no camera counts, and no random number does either.
LARGEST_BACKGROUND = 1e12


@dataclass(frozen=True)
class PreparedLocalizer:
    """What :meth:`Localizer.prepare` makes: it has learned what the settings leave to the movie.

    Attributes
    ----------
    frames : FrameLocalizer or ThunderstormLocalizer
        Finds the molecules of some frames of the movie.
    learned : dict
        What was learned, JSON-ready.
    """

    frames: FrameLocalizer | ThunderstormLocalizer
    learned: dict[str, Any]


class Localizer:
    """Finds the molecules of movies.

    Parameters
    ----------
    camera : Camera
        The camera of the movies.
    settings : LocalizerSettings, optional
    """

    def __init__(self, camera: Camera, settings: LocalizerSettings | None = None) -> None:
        self.camera = camera
        self.settings = LocalizerSettings() if settings is None else settings

    def learn_width(self, movie: Stack | Any) -> Generator[Progress, None, PsfWidth]:
        """Learn how wide a movie's molecules are, as :meth:`localize` does beforehand.

        Parameters
        ----------
        movie : Stack or array, shape (T, height, width)
            The movie as recorded, ADU.

        Yields
        ------
        Progress

        Returns
        -------
        PsfWidth
        """
        frames = _frames(as_stack(movie), None)
        sample = yield from sampled(FrameLocalizer(self.camera, self.settings, self._start()), frames)
        return sample.width()

    def localize_frame(
        self,
        raw_adu: NDArray[Any],
        denoised_adu: NDArray[Any] | None = None,
        width: PsfWidth | None = None,
    ) -> LocalizationTable:
        """Find the molecules of one frame; it counts as frame 0.

        The first call of an installation compiles for some 10 s; with several emitters per spot, 30 s.

        Parameters
        ----------
        raw_adu : ndarray, shape (height, width)
            The frame as recorded.
        denoised_adu : ndarray, shape (height, width), optional
            The frame denoised, in ADU too. Candidates then come from here.
        width : PsfWidth, optional
            What :meth:`learn_width` has learned from the movie. Learned from this frame alone unless given.

        Returns
        -------
        LocalizationTable

        Raises
        ------
        BlinkspotError
            As :meth:`localize`.
        """
        if raw_adu.ndim != 2:
            raise BlinkspotError(
                f"A frame has two axes, but the array given has the shape {raw_adu.shape}: "
                "choose one frame of the movie."
            )
        self._check_denoised(raw_adu.shape, None if denoised_adu is None else denoised_adu.shape)
        frames = MovieFrames(1, (raw_adu.shape[0], raw_adu.shape[1]), lambda index: (raw_adu, denoised_adu))
        localizer, learned = finish(self._prepare(frames, width))
        job = localizer.rows(0, raw_adu[None], None if denoised_adu is None else denoised_adu[None])
        rows = finish(_in_frames(job, 0, 1, Stopwatch("localizing", 1)))
        prepared = PreparedLocalizer(localizer, learned)
        columns = list(rows.T.copy())
        return self._table(prepared, columns, frames, on_denoised=denoised_adu is not None, source={})

    def localize(
        self, movie: Stack | Any, denoised: Stack | Any | None = None, found: FoundRows | None = None
    ) -> Generator[Progress, None, LocalizationTable]:
        """Find the molecules of every frame of a movie.

        Parameters
        ----------
        movie : Stack or array, shape (T, height, width)
            The movie as recorded, ADU.
        denoised : Stack or array, shape (T, height, width), optional
            The same movie denoised, in ADU too. Candidates then come from here; fits are on the raw frames
            unless the settings say otherwise.
        found : FoundRows, optional
            Where to keep what is found, and what was found of this movie by an earlier run.

        Yields
        ------
        Progress
            In frames; first of compiling, where nothing is compiled yet, and of what is learned from some
            frames.

        Returns
        -------
        LocalizationTable
            In the order of frames. What a higher threshold finds is ``table.above(threshold)``.

        Raises
        ------
        BlinkspotError
            If the movies differ in shape, a frame holds NaN or infinite values, or the settings ask for
            fits on a denoised movie and none is given.
        """
        raw_stack = as_stack(movie)
        denoised_stack = None if denoised is None else as_stack(denoised)
        self._check_denoised(raw_stack.shape, None if denoised_stack is None else denoised_stack.shape)
        return self._localize(raw_stack, denoised_stack, FoundRows() if found is None else found)

    def _localize(
        self, movie: Stack, denoised: Stack | None, found: FoundRows
    ) -> Generator[Progress, None, LocalizationTable]:
        prepared = yield from self.prepare(movie, denoised)
        yield from _find(prepared, movie, denoised, found, 0, movie.n_frames)
        return self._table_of(prepared, found.taken_columns(), movie, denoised)

    def prepare(
        self, movie: Stack, denoised: Stack | None = None
    ) -> Generator[Progress, None, PreparedLocalizer]:
        """Learn from a movie what the settings leave to it: the first part of :meth:`localize`.

        For a movie whose frames are localized in several places: :meth:`rows` of each, then
        :meth:`table` of all rows, give the table of :meth:`localize`.

        Parameters
        ----------
        movie, denoised : Stack
            As of :meth:`localize`.

        Yields
        ------
        Progress

        Returns
        -------
        PreparedLocalizer
            Can be pickled.

        Raises
        ------
        BlinkspotError
            As :meth:`localize`.
        """
        self._check_denoised(movie.shape, None if denoised is None else denoised.shape)
        yield from compiling(self.settings)
        localizer, learned = yield from self._prepare(_frames(movie, denoised))
        return PreparedLocalizer(localizer, learned)

    def rows(
        self,
        prepared: PreparedLocalizer,
        movie: Stack,
        denoised: Stack | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> Generator[Progress, None, Rows]:
        """Find the molecules of a range of frames: the second part of :meth:`localize`.

        Parameters
        ----------
        prepared : PreparedLocalizer
            By the whole movie.
        movie, denoised : Stack
            As of :meth:`localize`.
        start, stop : int
            First frame, and the one after the last; the whole movie by default.

        Yields
        ------
        Progress
            In frames.

        Returns
        -------
        ndarray of float64, shape (n, columns)
            In the order of frames.

        Raises
        ------
        BlinkspotError
            If a frame holds NaN or infinite values.
        """
        found = FoundRows(start)
        yield from _find(prepared, movie, denoised, found, start, movie.n_frames if stop is None else stop)
        return found.taken()

    def table(
        self, prepared: PreparedLocalizer, rows: Rows, movie: Stack, denoised: Stack | None = None
    ) -> LocalizationTable:
        """Make the table of all rows of a movie: the last part of :meth:`localize`.

        Parameters
        ----------
        prepared : PreparedLocalizer
        rows : ndarray of float64, shape (n, columns)
            Of all frames, in their order.
        movie, denoised : Stack
            As of :meth:`localize`.
        """
        return self._table_of(prepared, list(rows.T.copy()), movie, denoised)

    def _table_of(
        self, prepared: PreparedLocalizer, columns: list[Column], movie: Stack, denoised: Stack | None
    ) -> LocalizationTable:
        source: dict[str, Any] = {"movie": _described(movie)}
        if denoised is not None:
            source["denoised"] = _described(denoised)
        frames = _frames(movie, denoised)
        return self._table(prepared, columns, frames, on_denoised=denoised is not None, source=source)

    def _table(
        self,
        prepared: PreparedLocalizer,
        columns: list[Column],
        frames: MovieFrames,
        *,
        on_denoised: bool,
        source: dict[str, Any],
    ) -> LocalizationTable:
        named: dict[str, NDArray[Any]] = dict(zip(prepared.frames.columns, columns, strict=True))
        named["frame"] = named["frame"].astype(np.int64)
        return LocalizationTable.from_columns(
            named,
            copy=False,
            uncertainty_is_valid=self.settings.fit_on == "raw",
            provenance=provenance(
                "localize",
                camera=self.camera,
                settings=self.settings.used(),
                movie_shape=[frames.n, *frames.shape],
                candidates_from="denoised" if on_denoised else "raw",
                learned=prepared.learned,
                **source,
            ),
        )

    def _prepare(
        self, frames: MovieFrames, width: PsfWidth | None = None
    ) -> Generator[Progress, None, tuple[FrameLocalizer | ThunderstormLocalizer, dict[str, Any]]]:
        """Learn what the settings leave to the movie; also as it is recorded."""
        settings = self.settings
        learned: dict[str, Any] = {}
        if settings.preset == "thunderstorm":
            return ThunderstormLocalizer(self.camera, settings), learned
        wants_width = settings.astigmatism is None and (
            settings.widths == "learned" or settings.initial_sigma_px is None
        )
        if not wants_width:
            width = self._start()
        sample = MovieSample()
        if width is None or settings.false_per_frame is not None:
            sample = yield from sampled(FrameLocalizer(self.camera, settings, self._start()), frames)
        width = sample.width() if width is None else width
        if wants_width:
            learned["psf"] = width.as_dict()
        acceptance: Acceptance | None = None
        if settings.false_per_frame is not None:
            background = sample.background_counts()
            if background > LARGEST_BACKGROUND:
                raise BlinkspotError(
                    f"The movie's background is {background:.3g} counts per pixel: check electrons per ADU."
                )
            known = FrameLocalizer(self.camera, settings, width).known_width
            law = yield from false_molecules(
                EmptyFrames.like(self.camera, background, known, settings.fit_window_px)
            )
            there = law.expected(0.0, frames.shape[0] * frames.shape[1])
            if settings.false_per_frame > there:
                raise BlinkspotError(
                    f"An empty frame of this movie has {there:.2g} spots in all, so there cannot be "
                    f"{settings.false_per_frame:g} false molecules per frame: ask for fewer."
                )
            acceptance = law.acceptance(settings.false_per_frame, frames.shape[0] * frames.shape[1])
            learned["acceptance"] = acceptance.as_dict()
        return FrameLocalizer(self.camera, settings, width, acceptance), learned

    def _start(self) -> PsfWidth:
        """Return what fits start from where nothing is learned yet."""
        sigma_px = self.settings.initial_sigma_px
        return PsfWidth() if sigma_px is None else PsfWidth(sigma_px)

    def _check_denoised(self, raw_shape: tuple[int, ...], denoised_shape: tuple[int, ...] | None) -> None:
        if denoised_shape is None and self.settings.fit_on == "denoised":
            raise BlinkspotError(
                "The settings ask for fits on the denoised movie, but none was given: "
                "give it, or fit on the raw one."
            )
        if denoised_shape is not None and denoised_shape != raw_shape:
            raise BlinkspotError(
                f"The denoised movie has the shape {denoised_shape} and the raw one {raw_shape}: "
                "give the denoised version of the same movie."
            )
        check_preset(self.settings, on_denoised=denoised_shape is not None)
        if self.settings.astigmatism is not None:
            self.settings.astigmatism.check_pixel_size(self.camera.pixel_size_nm)


def _frames(movie: Stack, denoised: Stack | None) -> MovieFrames:
    return MovieFrames(
        movie.n_frames,
        (movie.height, movie.width),
        lambda index: (movie.frame(index), None if denoised is None else denoised.frame(index)),
    )


def _find(
    prepared: PreparedLocalizer, movie: Stack, denoised: Stack | None, found: FoundRows, start: int, stop: int
) -> Generator[Progress, None, None]:
    """Find the molecules of those of some frames that are not in ``found`` yet."""
    localizer = prepared.frames
    found.begin(len(localizer.columns))
    begin = found.frames_done
    clock = Stopwatch("localizing", stop - start, done_before=begin - start)
    yield clock.at(begin - start)
    reported_s = clock.elapsed_s
    block = max(1, PIXELS_READ_AT_ONCE // (movie.height * movie.width))
    at_once = max(1, PIXELS_LOCALIZED_AT_ONCE // (movie.height * movie.width))
    for first in range(begin, stop, block):
        last = min(first + block, stop)
        raw_frames = movie.frames(first, last)
        denoised_frames = None if denoised is None else denoised.frames(first, last)
        for index in range(first, last, at_once):
            if clock.elapsed_s - reported_s > SECONDS_BETWEEN_PROGRESS:
                yield clock.at(index - start)
                reported_s = clock.elapsed_s
            part = slice(index - first, min(index + at_once, last) - first)
            denoised_part = None if denoised_frames is None else denoised_frames[part]
            job = localizer.rows(index, raw_frames[part], denoised_part)
            rows = yield from _in_frames(job, index - start, part.stop - part.start, clock)
            found.append(rows, index + part.stop - part.start)
    yield clock.at(stop - start)


def _in_frames(
    job: Generator[float, None, Rows], index: int, n: int, clock: Stopwatch
) -> Generator[Progress, None, Rows]:
    return relayed(job, lambda part: clock.at(index + n * part))


def _described(movie: Stack) -> dict[str, Any]:
    return {
        "name": None if movie.path is None else movie.path.name,
        "shape": list(movie.shape),
        "provenance": movie.metadata.get("provenance"),
    }
