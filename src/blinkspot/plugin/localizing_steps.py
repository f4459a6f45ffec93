"""What the Localize dock has done in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blinkspot.camera import Camera
from blinkspot.camera_estimate import noise_contradiction
from blinkspot.plugin import backend
from blinkspot.plugin.table_shown import Picture, PictureChoice, drawn, places_px
from blinkspot.progress import Progress
from blinkspot.stack import Stack

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
    """

    camera: Camera
    settings: Mapping[str, dict[str, Any]]
    movie: Stack
    index: int
    denoised: Stack | None
    denoised_index: int


@dataclass(frozen=True)
class PreviewAnswer:
    """Molecules found in one frame, (n, 3) as in :class:`Localized`; None where there is no such movie."""

    index: int
    noisy: NDArray[np.float32]
    denoised: NDArray[np.float32] | None


def localize_frame(question: PreviewQuestion) -> PreviewAnswer:
    """Localize one frame, noisy and denoised."""
    localization = backend.localization()
    raw = question.movie.frame(question.index)

    def places(name: str, denoised: NDArray[Any] | None) -> NDArray[np.float32]:
        settings = localization.LocalizerSettings(**question.settings[name])
        localizer = localization.Localizer(question.camera, settings)
        # Of a denoised movie, other frames may not be there yet: it learns from this one alone.
        learns = settings.fit_on == "raw" and settings.astigmatism is None
        width = _known_width(localizer, question.movie) if learns else None
        table = localizer.localize_frame(raw, denoised, width)
        points = places_px(table, question.camera.pixel_size_nm)
        points[:, 0] = question.index
        return points

    noisy = places("noisy", None)
    if question.denoised is None:
        return PreviewAnswer(question.index, noisy, None)
    denoised_frame = question.denoised.frame(question.denoised_index)
    return PreviewAnswer(question.index, noisy, places("denoised", denoised_frame))


_widths: list[tuple[Stack, Camera, Any, PsfWidth]] = []


def _known_width(localizer: Localizer, movie: Stack) -> PsfWidth:
    """Learn the widths of a movie's molecules once, not for each frame and threshold that is looked at."""
    settings = replace(localizer.settings, threshold=1.0, false_per_frame=None)
    for known_movie, camera, known_settings, width in _widths:
        if known_movie is movie and (camera, known_settings) == (localizer.camera, settings):
            return width
    for _ in (job := Returning(localizer.learn_width(movie))):
        pass
    del _widths[_MOST_WIDTHS - 1 :]
    _widths.insert(0, (movie, localizer.camera, settings, job.result))
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
