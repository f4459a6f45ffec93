"""Tiny movies and recipes for the tests of batches. A plugin of pytest: ``pytest_plugins = ["batches"]``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from blinkspot.batch import Recipe, Summary, read_recipe, run_batch
from blinkspot.denoising import Denoiser
from blinkspot.evaluation import simulate_to_files
from blinkspot.evaluation.simulation import PRESETS
from blinkspot.movies.stack import open_stack
from blinkspot.progress import finish

FRAMES, SIZE = 40, 32
TRAIN = "epochs = 2\nchannels = 4\ncontext_frames = 1\nblind_spot_radius_px = 0\n"
STEPS = """
[denoise]
[localize]
[[process]]
step = "filter"
expression = "photons > 60"
"""
RECIPE = f"[camera]\nfile = 'a_camera.toml'\n[train]\n{TRAIN}{STEPS}"


@pytest.fixture
def movies(made_movies: Path, tmp_path: Path) -> Path:
    """A folder with the movies ``a.tif`` and ``b.tif``, and ``bad.tif``, which is none."""
    folder = tmp_path / "movies"
    shutil.copytree(made_movies, folder)
    return folder


@pytest.fixture(scope="session")
def made_movies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    for seed, name in enumerate("ab", start=1):
        settings = replace(PRESETS["low-light"], frames=FRAMES, size_px=SIZE, seed=seed)
        finish(simulate_to_files(settings, folder / f"{name}.tif"))
    (folder / "bad.tif").write_text("no movie")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As many threads of torch as a worker of dask has: trainings are the same to the bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe_in(folder: Path, text: str = RECIPE, name: str = "recipe.toml") -> Recipe:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


def run(recipe: Recipe, folder: Path, output: Path, names: str = "a bad b") -> Summary:
    return finish(run_batch(recipe, [folder / f"{name}.tif" for name in names.split()], output))


def results(folder: Path) -> dict[str, Any]:
    """Return what decides about all results below a folder: pixels, weights, rows."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".csv" and path.name != "summary.csv":
            found[name] = path.read_text(encoding="utf-8")
        elif path.suffix == ".tif":
            movie = open_stack(path)
            found[name] = np.asarray(movie.frames(0, movie.n_frames)).tobytes()
        elif path.suffix == ".blinkspot":
            found[name] = Denoiser.load(path).digest()
    return found


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder, without those of kept warnings."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".warnings.json")}
