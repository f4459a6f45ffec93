"""The command line with zarr stores: the same as with TIFFs, in and out; and where denoising runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr

from blinkspot.denoising import Denoiser, denoise_to_file
from blinkspot.localization import read_table
from blinkspot.movies.stack import open_stack
from blinkspot.progress import finish

pytest_plugins = ["commands"]

Command = Callable[..., Any]


@pytest.fixture
def denoised(work: Path, command: Command, tmp_path: Path) -> Path:
    path = tmp_path / "denoised.zarr"
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", path, "--device", "cpu")
    assert command(*arguments, "--json").answer["denoised"] == str(path)
    return path


@pytest.fixture
def noisy(work: Path, tmp_path: Path) -> Path:
    """The noisy movie as another program may keep it."""
    path = tmp_path / "noisy.zarr"
    pixels = tifffile.imread(work / "movie.tif")
    zarr.create_array(path, data=pixels[:, None], chunks=(8, 1, 32, 32), zarr_format=2)
    return path


def test_a_store_holds_what_the_tiff_holds(work: Path, denoised: Path) -> None:
    as_tiff, as_store = open_stack(work / "denoised.tif"), open_stack(denoised)
    np.testing.assert_array_equal(as_store.frames(0, 40), tifffile.imread(work / "denoised.tif"))
    assert as_store.dtype == np.float32
    assert as_store.camera_hints == pytest.approx(as_tiff.camera_hints)
    of_tiff, of_store = (dict(stack.metadata["provenance"]) for stack in (as_tiff, as_store))
    assert of_tiff.pop("created") <= of_store.pop("created")
    assert of_store == of_tiff


def test_from_python(work: Path, tmp_path: Path) -> None:
    model, movie = Denoiser.load(work / "a model"), open_stack(work / "movie.tif")
    finish(denoise_to_file(model, movie, tmp_path / "photons.zarr", "blind", "photons"))
    photons = np.concatenate([chunk.frames for chunk in model.denoise(movie, estimate="blind")])
    np.testing.assert_array_equal(open_stack(tmp_path / "photons.zarr").frames(0, 40), photons)
    assert [entry.name for entry in tmp_path.iterdir()] == ["photons.zarr"]


def test_stores_are_taken_wherever_tiffs_are(
    work: Path, command: Command, tmp_path: Path, noisy: Path, denoised: Path
) -> None:
    """The same answers, for the same pixels."""
    camera = ("--camera", work / "movie_camera.toml")
    options = ("--fit-on", "denoised", *camera)
    for name, movies in (
        ("tiff", (work / "movie.tif", work / "denoised.tif")),
        ("zarr", (noisy, denoised)),
    ):
        table = tmp_path / f"{name}.csv"
        assert command("localize", movies[0], "-o", table, "--denoised", movies[1], *options).status == 0
        assert command("compare", *movies, "-o", tmp_path / name, *camera).status == 0
        trained = ("train", movies[0], "-o", tmp_path / f"{name}.model", *camera)
        small = ("--epochs", 1, "--channels", 4, "--context-frames", 1, "--device", "cpu")
        assert command(*trained, *small).status == 0
        out = tmp_path / f"from {name}.tif"
        assert command("denoise", movies[0], "-m", work / "a model", "-o", out, "--device", "cpu").status == 0
    of_tiff, of_zarr = (read_table(tmp_path / f"{name}.csv").data for name in ("tiff", "zarr"))
    np.testing.assert_array_equal(of_zarr, of_tiff)
    assert len(of_tiff) > 10
    assert (tmp_path / "zarr" / "noisy.csv").read_bytes() == (tmp_path / "tiff" / "noisy.csv").read_bytes()
    weights = [Denoiser.load(tmp_path / f"{name}.model").weights() for name in ("tiff", "zarr")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "from zarr.tif"), tifffile.imread(tmp_path / "from tiff.tif")
    )


def test_what_a_movie_says_of_its_camera(command: Command, noisy: Path, denoised: Path) -> None:
    answer = command("camera", noisy, "--offset-adu", 100, "--json").answer
    assert (answer["frames"], answer["pixel_type"], answer["first_axis_is_time"]) == (40, "uint16", "guessed")
    assert command("camera", denoised).refuses("is a denoised movie")


def test_a_denoised_store_is_known_for_one(
    work: Path, command: Command, tmp_path: Path, denoised: Path
) -> None:
    out = tmp_path / "twice.zarr"
    assert command("denoise", denoised, "-m", work / "a model", "-o", out).refuses("is a denoised movie")
    assert not out.exists()


def test_a_store_is_not_overwritten(work: Path, command: Command, denoised: Path) -> None:
    before = sorted(denoised.rglob("*"))
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", denoised)
    assert ended.refuses("is not overwritten")
    assert sorted(denoised.rglob("*")) == before


@pytest.mark.parametrize("name", ["denoised", "denoised.csv", "denoised.zip"])
def test_the_name_says_the_format(work: Path, command: Command, tmp_path: Path, name: str) -> None:
    ended = command("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / name)
    assert ended.refuses("choose a name that ends in .tif or .zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_said(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    arguments = ("denoise", work / "movie.tif", "-m", work / "a model", "-o", tmp_path / "out.zarr")
    assert command(*arguments, "--device", device).refuses(f"no device {device!r}")
    assert list(tmp_path.iterdir()) == []


def test_denoising_runs_where_it_is_told(
    work: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []
    load = Denoiser.load
    monkeypatch.setattr(Denoiser, "load", lambda path, device: devices.append(device) or load(path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for number, options in enumerate((("--device", "cpu"), ("--device", "cuda"), ())):
        out = tmp_path / f"{number}.tif"
        assert command("denoise", work / "movie.tif", "-m", work / "a model", "-o", out, *options).status == 0
    assert devices == ["cpu", "cuda", "cuda"]  # auto takes what there is
