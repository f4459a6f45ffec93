"""Compile what a movie's molecules need before the first of them, without keeping anybody waiting."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np

from blinkspot.camera import Camera
from blinkspot.localization.astigmatism.height import fit_heights
from blinkspot.localization.crowding.spots import compile_crowds
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.duplicates import without_duplicates
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.preset import ThunderstormLocalizer
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.thunderstorm import localize_frame as localize_as_thunderstorm
from blinkspot.progress import Progress, Stopwatch

_SECONDS_BETWEEN_PROGRESS = 0.04


def compiling(settings: LocalizerSettings) -> Generator[Progress, None, None]:
    """Have everything that a localizer of these settings needs compiled in another thread.

    Yields
    ------
    Progress
        That says so, while it lasts.
    """
    clock = Stopwatch("compiling the fits (once per installation)", 1.0)
    thread = threading.Thread(target=_compile, args=(settings,), name="compiling the fits", daemon=True)
    thread.start()
    while True:
        thread.join(_SECONDS_BETWEEN_PROGRESS)
        if not thread.is_alive():
            return
        yield clock.at(0.0)


def _compile(settings: LocalizerSettings) -> None:
    picture = np.zeros((7, 7), dtype=np.float32)
    picture[3, 3] = 1.0
    if settings.preset == "thunderstorm":
        localize_as_thunderstorm(picture, Camera(), ThunderstormLocalizer(Camera(), settings).thunderstorm)
    candidates = find_candidates(picture, 1.0)
    fit_molecules(picture, candidates.rows, candidates.columns)
    without_duplicates(np.zeros((1, 2)), np.ones(1), 1.0)
    if settings.astigmatism is not None:
        fit_heights(picture, candidates.rows, candidates.columns, settings.astigmatism, 100.0)
    if settings.most_emitters > 1:
        compile_crowds()
