"""What the command line says of a movie and its camera before it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from commands import Outcome

from blinkspot.camera import Camera
from blinkspot.cli.before_training import remarks_before_training
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, finish

pytest_plugins = ["commands"]

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=2.0, em_gain=1.0)


def simulated(photons: tuple[float, float]) -> Stack:
    settings = SimulationSettings(
        frames=40,
        size_px=48,
        camera=CAMERA,
        density_per_um2=0.2,
        fwhm_nm=(250.0, 250.0),
        photons=photons,
        background_photons=10.0,
        seed=1,
    )
    return Stack(np.concatenate([chunk.frames for chunk in simulate(settings)]))


def test_nothing_is_said_where_the_camera_is_right_and_noise_limits() -> None:
    assert finish(remarks_before_training(simulated((80.0, 160.0)), CAMERA)) == []


def test_bright_molecules_are_said_to_gain_little() -> None:
    (remark,) = finish(remarks_before_training(simulated((3000.0, 5000.0)), CAMERA))
    assert remark.startswith("Molecules are bright: ")
    assert remark.endswith("; denoising will change little.")


def test_a_camera_that_the_noise_contradicts_is_said_and_nothing_is_built_on_it() -> None:
    wrong = dataclasses.replace(CAMERA, electrons_per_adu=8.0)
    (remark,) = finish(remarks_before_training(simulated((3000.0, 5000.0)), wrong))
    assert remark.startswith("The background's noise has ") or remark.startswith("The noise per ADU is ")


def test_what_cannot_be_looked_at_is_left_to_the_training() -> None:
    assert finish(remarks_before_training(Stack(np.zeros((1, 16, 16), np.uint16)), CAMERA)) == []
    dark = dataclasses.replace(CAMERA, offset_adu=5000.0)
    assert finish(remarks_before_training(simulated((80.0, 160.0)), dark)) == []


def test_training_says_it_at_once_and_among_its_warnings(
    command: Callable[..., Outcome], work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Camera] = []

    def remark(movie: Stack, camera: Camera) -> Generator[Progress, None, list[str]]:
        looked.append(camera)
        yield Progress("looking at the molecules", 1, 1, 0.0)
        return ["The offset is odd."]

    monkeypatch.setattr("blinkspot.cli.movie_commands.remarks_before_training", remark)
    line = ("train", work / "movie.tif", "--epochs", 1, "--channels", 4, "--context-frames", 1)
    outcome = command(*line, "-o", tmp_path / "m.blinkspot", "--offset-adu", 97, "--json")
    assert "Warning: The offset is odd." in outcome.words
    before, _, after = outcome.err.partition("The offset is odd.")
    assert "Looking at the molecules: 100 %" in before  # it takes half a minute the first time
    assert "Training" not in before
    assert "Training" in after
    assert outcome.answer["warnings"][0] == "The offset is odd."
    assert [camera.offset_adu for camera in looked] == [97.0]
