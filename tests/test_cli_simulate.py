"""What the command simulate makes of its preset where options change it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps

pytest_plugins = ["commands"]

Command = Callable[..., Any]


def test_a_field_too_large_for_the_presets_density_is_not_for_the_one_that_is_given(
    tmp_path: Path, command: Command
) -> None:
    movie = tmp_path / "movie.tif"
    typed = ("simulate", movie, "--preset", "crowded", "--pixel-size-nm", 1000, "--size", 320, "--frames", 1)
    assert "of at most 100000: choose a lower density_per_um2" in " ".join(command(*typed).words)
    assert command(*typed, "--density-per-um2", 0.001).status == 0
    assert tifffile.imread(movie).shape == (320, 320)


@pytest.mark.parametrize("given", [(), ("--em-gain", 1), ("--preset", "default")])
@pytest.mark.parametrize("option", ["--maps", "--camera"])
def test_the_em_gain_of_a_preset_is_said_where_another_camera_states_none(
    tmp_path: Path, command: Command, option: str, given: tuple[object, ...]
) -> None:
    CameraMaps(*np.random.default_rng(1).uniform(1, 2, (3, 16, 16))).save(tmp_path / "maps.npy")
    (tmp_path / "camera.toml").write_text("offset_adu = 100.0\nelectrons_per_adu = 0.5\n")
    file = tmp_path / {"--maps": "maps.npy", "--camera": "camera.toml"}[option]
    typed = ("simulate", tmp_path / "movie.tif", "--frames", 2, "--size", 16, option, file, *given)
    done = command(*typed)
    assert done.status == 0
    assert ("so that of the preset stays, 150: give --em-gain 1" in " ".join(done.words)) == (not given)


def test_the_em_gain_of_a_camera_file_is_not_the_presets(tmp_path: Path, command: Command) -> None:
    (tmp_path / "camera.toml").write_text("em_gain = 1.0\n")
    movie = tmp_path / "movie.tif"
    done = command("simulate", movie, "--frames", 2, "--size", 16, "--camera", tmp_path / "camera.toml")
    assert not done.words
    assert Camera.load(tmp_path / "movie_camera.toml").em_gain == 1.0
