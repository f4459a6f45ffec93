"""What the Report dock has done in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blinkspot.camera import Camera
from blinkspot.files.whole_files import check_new_folder
from blinkspot.movies.checks import check_camera, check_denoised, check_movie
from blinkspot.movies.stack import Stack
from blinkspot.plugin import backend
from blinkspot.progress import Progress

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser
    from blinkspot.localization import LocalizationTable


@dataclass(frozen=True)
class Reported:
    """A report that was written.

    Attributes
    ----------
    page : Path
    sentence : str
        What it concludes.
    """

    page: Path
    sentence: str


@dataclass(frozen=True)
class ReportTask:
    """What to compare.

    Attributes
    ----------
    noisy, denoised : Stack
        The movie, ADU.
    camera : Camera
    truth : callable or None
        Returns the table of the molecules that are there; takes time.
    model : Denoiser or None
        What denoised the movie, where the session has it.
    holds_out : bool
        Whether to judge by photons held out, too.
    folder : Path
        Where the report goes.
    """

    noisy: Stack
    denoised: Stack
    camera: Camera
    truth: Callable[[], LocalizationTable] | None
    model: Denoiser | None
    holds_out: bool
    folder: Path


def report(task: ReportTask) -> Generator[Progress, None, Reported]:
    """Compare both movies and write the page.

    Raises
    ------
    BlinkspotError
        As :func:`blinkspot.evaluation.compare` and :func:`blinkspot.evaluation.write_report` do, and where
        the movie or its camera would make the page say nothing.
    """
    yield Progress("preparing", 0, 1, 0.0)
    check_new_folder(task.folder)
    yield from backend.meanwhile(partial(check_movie, task.noisy), "looking at the movie")
    yield from backend.meanwhile(partial(check_camera, task.noisy, task.camera), "looking at the movie")
    look = partial(check_denoised, task.denoised, task.noisy, task.camera)
    yield from backend.meanwhile(look, "looking at the denoised movie")
    if task.model is not None:
        yield from backend.loading()
    evaluation = yield from backend.meanwhile(backend.evaluation, "preparing")
    truth = None
    if task.truth is not None:
        truth = yield from backend.meanwhile(task.truth, "taking the truth")
    settings = evaluation.ComparisonSettings()
    if task.holds_out:
        settings = evaluation.ComparisonSettings(held_out=evaluation.held_out_settings(settings.localizer))
    comparison = yield from evaluation.compare(
        task.noisy, task.denoised, task.camera, truth, settings, task.model
    )
    page = yield from evaluation.write_report(comparison, task.folder)
    return Reported(page, evaluation.verdict(comparison))
