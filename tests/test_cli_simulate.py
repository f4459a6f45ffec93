"""What the command simulate makes of its preset where options change it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

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
def test_the_em_gain_of_a_preset_is_said_where_maps_are_given(
    tmp_path: Path, command: Command, given: tuple[object, ...]
) -> None:
    CameraMaps(*np.random.default_rng(1).uniform(1, 2, (3, 16, 16))).save(tmp_path / "maps.npy")
    done = command(
        "simulate",
        tmp_path / "movie.tif",
        "--frames",
        2,
        "--size",
        16,
        "--maps",
        tmp_path / "maps.npy",
        *given,
    )
    assert done.status == 0
    assert ("EM gain of 150 multiplies the electrons" in " ".join(done.words)) == (not given)
