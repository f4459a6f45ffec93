"""Files whose names are no UTF-8, as those of old disks: they are read, and named in what is made of them."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.denoising.training.checkpoint import read_checkpoint, write_checkpoint
from blinkspot.localization import read_table
from blinkspot.plain_values import encodable

pytest_plugins = ["commands"]

Command = Callable[..., Any]
OLD_NAME = os.fsdecode(b"m\xf6vie")  # ISO 8859-1


@pytest.fixture
def old(work: Path, tmp_path: Path) -> Path:
    """A folder of that name, with a movie, a denoised one and a model of such names."""
    folder = tmp_path / OLD_NAME
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk has no such names")
    for name, of in ((".tif", "movie.tif"), ("_d.tif", "denoised.tif"), (".blinkspot", "a model")):
        shutil.copy(work / of, folder / f"{OLD_NAME}{name}")
    return folder / OLD_NAME


def test_what_has_no_letter_in_utf8_is_spelled_out() -> None:
    given = {"a": [OLD_NAME, ("名", 1)], OLD_NAME: None}
    assert encodable(given) == {"a": ["m\\udcf6vie", ("名", 1)], "m\\udcf6vie": None}


def test_a_model_of_such_a_name_denoises(old: Path, command: Command) -> None:
    movie, model, out = f"{old}.tif", f"{old}.blinkspot", f"{old}_2.tif"
    assert command("denoise", movie, "-m", model, "-o", out, "--frames", 0, 4, "--json").answer["frames"] == 5
    assert Path(out).is_file()


@pytest.mark.parametrize("suffix", [".csv", ".hdf5"])
def test_a_table_of_movies_of_such_names_is_written(old: Path, command: Command, suffix: str) -> None:
    out = Path(f"{old}{suffix}")
    ended = command("localize", f"{old}.tif", "-o", out, "--denoised", f"{old}_d.tif", "--json")
    assert ended.answer["localizations"] == len(read_table(out)) > 0


def test_pages_and_figures_of_such_names_are_written(old: Path, command: Command) -> None:
    compared = Path(f"{old}_compared")
    ended = command("compare", f"{old}.tif", f"{old}_d.tif", "-o", compared)
    assert ended.status == 0, ended.err
    assert "m\\udcf6vie" in (compared / "index.html").read_text(encoding="utf-8")
    checked = Path(f"{old}.json")
    ended = command("check", f"{old}.tif", "-o", checked)
    assert ended.status == 0, ended.err
    assert "m\\udcf6vie" in json.loads(checked.read_text(encoding="utf-8"))["provenance"]["movie"]


def test_a_training_goes_on_from_a_checkpoint_of_such_a_name(old: Path) -> None:
    checkpoint = Path(f"{old}.checkpoint")
    write_checkpoint(checkpoint, {"step": 3}, {"weight": torch.ones(2)})
    numbers, tensors = read_checkpoint(checkpoint)
    assert (numbers, tensors["weight"].tolist()) == ({"step": 3}, [1.0, 1.0])


def test_a_camera_with_maps_is_saved_by_such_a_name(old: Path) -> None:
    maps = CameraMaps(*(np.full((4, 5), each, np.float32) for each in (100.0, 3.0, 2.0)))
    Camera(maps=maps).save(f"{old}.toml")
    loaded = Camera.load(f"{old}.toml").maps
    assert loaded is not None
    assert loaded.digest == maps.digest
