"""What the Localize dock has done in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_from_movie.estimate import noise_contradiction
from blinkspot.movies.checks import check_denoised
from blinkspot.movies.stack import Stack
from blinkspot.plugin import backend
from blinkspot.plugin.layers.reference import reference_to
from blinkspot.plugin.layers.table_shown import Picture, PictureChoice, drawn, places_px
from blinkspot.plugin.localize.marking.states import Marked, marked
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser
    from blinkspot.localization import LocalizationTable, Localizer
    from blinkspot.localization.astigmatism import AstigmatismCalibration
    from blinkspot.localization.psf import PsfWidth

# Movies, or settings of one, whose widths are remembered.
_MOST_WIDTHS = 4


@dataclass(frozen=True)
class Localized:
    """What was found in a movie.

    Attributes
    ----------
    of : str
        In which movie: ``"noisy"`` or ``"denoised"``.
    table : LocalizationTable
        The localizations.
    points : (n, 3) float32
        Their places (frame, y, x) in pixels of the movie, (0, 0) the centre of its first pixel.
    picture : Picture
        Of the whole field.
    remark : str
        What else there is to say of it; may be empty.
    """

    of: str
    table: LocalizationTable
    points: NDArray[np.float32]
    picture: Picture
    remark: str


@dataclass(frozen=True)
class NoiseWarning:
    """The movie's noise contradicts the camera, on which the number of false molecules rests."""

    sentence: str


def localize(
    camera: Camera,
    settings: Mapping[str, dict[str, Any]],
    movie: Stack,
    tasks: Mapping[str, Stack | None],
    choice: PictureChoice,
    model: Denoiser | None = None,
) -> Generator[Progress | NoiseWarning, None, list[Localized]]:
    """Localize all frames and draw the super-resolved picture, for each task.

    Parameters
    ----------
    settings : mapping
        Arguments of :class:`blinkspot.localization.LocalizerSettings`, by name of the task.
    movie : Stack
        The movie as recorded.
    tasks : mapping
        Name of the result -> the denoised movie to find molecules in, None for the movie as recorded.
    choice : PictureChoice
        How the pictures are drawn.
    model : Denoiser, optional
        What denoised the movie, for true uncertainties of fits on it.

    Raises
    ------
    BlinkspotError
        As :meth:`Localizer.localize` does, and where fits on the denoised movie would find it dark.
    """
    yield Progress("preparing", 0, 1, 0.0)
    localization = backend.localization()
    found: list[Localized] = []
    for name, denoised in tasks.items():
        localizer = localization.Localizer(camera, localization.LocalizerSettings(**settings[name]))
        if localizer.settings.false_per_frame is not None and not found:
            question = partial(noise_contradiction, movie, camera)
            contradiction = yield from backend.meanwhile(question, "looking at the noise")
            if contradiction is not None:
                yield NoiseWarning(f"Warning: {contradiction}")
        if denoised is not None and localizer.settings.fit_on == "denoised":
            look = partial(check_denoised, denoised, movie, camera)
            yield from backend.meanwhile(look, "looking at the denoised movie")
        for progress in (job := Returning(localizer.localize(movie, denoised))):
            yield dataclasses.replace(progress, step=f"localizing the {name} movie")
        table, remark = job.result, ""
        if denoised is not None and not table.uncertainty_is_valid:
            table, remark = yield from _calibrated(table, denoised, model, localizer)
        extent_nm = (movie.height * camera.pixel_size_nm, movie.width * camera.pixel_size_nm)
        picture = yield from drawn(table, extent_nm, camera.pixel_size_nm, choice)
        points = places_px(table, camera.pixel_size_nm)
        found.append(Localized(name, table, points, picture, remark))
    return found


def _calibrated(
    table: LocalizationTable, denoised: Stack, model: Denoiser | None, localizer: Localizer
) -> Generator[Progress, None, tuple[LocalizationTable, str]]:
    """Make the uncertainties of fits on a denoised movie true, or say why they are not."""
    if model is None:
        return table, (
            "Uncertainties of the fits on denoised pixels are not calibrated: that takes the model that "
            "denoised the movie; load it in the Denoise dock."
        )
    yield from backend.loading()
    evaluation = backend.evaluation()
    try:
        return (yield from evaluation.calibrate_uncertainties(table, denoised, model, localizer)), ""
    except evaluation.TooFewMolecules as error:
        return table, str(error)


class Returning:
    """Iterates over a job's values and keeps what it returns."""

    def __init__(self, job: Generator[Any, None, Any]) -> None:
        self._job = job
        self.result: Any = None

    def __iter__(self) -> Generator[Any, None, None]:
        self.result = yield from self._job


@dataclass(frozen=True)
class PreviewQuestion:
    """One frame to localize, as recorded and, where there is one, denoised.

    Attributes
    ----------
    settings : mapping
        As for :func:`localize`, for ``"noisy"`` and ``"denoised"``.
    movie, denoised : Stack
        The movies; None for no denoised one.
    index, denoised_index : int
        The frame in each.
    truth : callable or None
        Returns the molecules that are in that frame.
    """

    camera: Camera
    settings: Mapping[str, dict[str, Any]]
    movie: Stack
    index: int
    denoised: Stack | None
    denoised_index: int
    truth: Callable[[], LocalizationTable] | None = None


@dataclass(frozen=True)
class PreviewAnswer:
    """Molecules of one frame, and what is known of them; None where there is no such movie."""

    index: int
    noisy: Marked
    denoised: Marked | None
    knows_truth: bool


def localize_frame(question: PreviewQuestion) -> PreviewAnswer:
    """Localize one frame, noisy and denoised, and tell what is known of each molecule."""
    localization = backend.localization()
    raw = question.movie.frame(question.index)

    def found(name: str, denoised: NDArray[Any] | None) -> LocalizationTable:
        settings = localization.LocalizerSettings(**question.settings[name])
        localizer = localization.Localizer(question.camera, settings)
        # Of a denoised movie, other frames may not be there yet: it learns from this one alone.
        learns = settings.fit_on == "raw" and settings.astigmatism is None
        width = _known_width(localizer, question.movie) if learns else None
        table = localizer.localize_frame(raw, denoised, width)
        in_frame: LocalizationTable = localization.LocalizationTable(
            table.data.assign(frame=question.index), table.uncertainty_is_valid, table.provenance
        )
        return in_frame

    noisy, denoised = found("noisy", None), None
    if question.denoised is not None:
        denoised = found("denoised", question.denoised.frame(question.denoised_index))
    truth = None if question.truth is None else question.truth()
    states = marked(noisy, denoised, truth, question.camera.pixel_size_nm)
    return PreviewAnswer(question.index, *states, truth is not None)


# A movie is known by its data, which must not stay in memory for this: an array gets a stack anew each time.
_widths: list[tuple[Callable[[], Any], Camera, Any, PsfWidth]] = []


def _known_width(localizer: Localizer, movie: Stack) -> PsfWidth:
    """Learn the widths of a movie's molecules once, not for each frame and threshold that is looked at."""
    settings = replace(localizer.settings, threshold=1.0, false_per_frame=None)
    for known_data, camera, known_settings, width in _widths:
        if known_data() is movie.data and (camera, known_settings) == (localizer.camera, settings):
            return width
    for _ in (job := Returning(localizer.learn_width(movie))):
        pass
    del _widths[_MOST_WIDTHS - 1 :]
    _widths.insert(0, (reference_to(movie.data), localizer.camera, settings, job.result))
    width_learned: PsfWidth = job.result
    return width_learned


def read_calibration(path: Path) -> tuple[Path, AstigmatismCalibration]:
    """Read an astigmatism calibration; return it with where it is from.

    Raises
    ------
    BlinkspotError
        If the file is none.
    """
    from blinkspot.localization.astigmatism import AstigmatismCalibration

    return path, AstigmatismCalibration.load(path)
