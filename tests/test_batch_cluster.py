"""A batch by the workers of a dask cluster: the same as on one machine, also where a worker is killed."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from batches import RECIPE, names_in, recipe_in, results, run

from blinkspot.batch import BatchProgress, Summary, tasks
from blinkspot.batch.cluster import run_on_cluster
from blinkspot.batch.steps import Denoise
from blinkspot.errors import BlinkspotError
from blinkspot.localization.localizer import Localizer, PreparedLocalizer
from blinkspot.progress import finish
from blinkspot.stack import open_stack

distributed = pytest.importorskip("distributed")

pytest_plugins = ["batches", "commands"]

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes of one thread each, and a nanny for each that starts another in its place."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as made:
        yield made


def on_cluster(cluster: Any, recipe: Any, folder: Path, output: Path, on_progress: Any = None) -> Summary:
    names = [folder / f"{name}.tif" for name in ("a", "bad", "b")]
    return finish(run_on_cluster(recipe, names, output, cluster.scheduler_address), on_progress)


def test_a_worker_killed_midway_changes_nothing(
    cluster: Any, movies: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_MOST_FRAMES", 9)
    recipe = recipe_in(movies, RECIPE.replace("[train]", "[train]\nmodels = 'all'"))
    whole = run(recipe, movies, movies / "here")
    killed: list[int] = []

    def kill(progress: BatchProgress) -> None:
        """Kill the worker that has done most as soon as movies are being denoised or localized."""
        blocks = list((movies / "there").glob("*/.*.blocks/*.npy"))
        if len(blocks) >= 2 and not killed:
            with distributed.Client(cluster.scheduler_address) as client:
                has = client.has_what()
                address = max(has, key=lambda each: len(has[each]))
                killed.append(client.run(os.getpid, workers=[address])[address])
                os.kill(killed[0], signal.SIGKILL)

    summary = on_cluster(cluster, recipe, movies, movies / "there", kill)
    assert len(killed) == 1
    assert [row.state for row in summary.rows] == ["done", "failed", "done"], summary.text()
    assert results(movies / "there") == results(movies / "here")
    for name in "ab":
        assert names_in(movies / "there" / name) == names_in(movies / "here" / name)
    assert [row.figures for row in summary.rows] == [row.figures for row in whole.rows]
    assert [row.warnings for row in summary.rows] == [row.warnings for row in whole.rows]
    # Here or there, what is done is done.
    assert [row.state for row in run(recipe, movies, movies / "there").rows][::2] == ["skipped", "skipped"]


def test_stopped_and_gone_on_with(
    cluster: Any, movies: Path, command: Command, on_progress: Callable[..., None]
) -> None:
    longer = RECIPE.replace("epochs = 2", "epochs = 3000")
    recipe_in(movies, longer)
    line = ("batch", movies / "recipe.toml", movies / "a.tif", "-o", movies / "out")
    line = (*line, "--scheduler", cluster.scheduler_address)
    stopped: list[bool] = []

    def interrupt(progress: Any) -> None:
        if (movies / "out" / "a" / ".model.blinkspot.lock").exists() and not stopped:
            stopped.append(True)
            signal.raise_signal(signal.SIGINT)

    on_progress(interrupt)
    ended = command(*line)
    assert (ended.status, stopped) == (130, [True])
    # The worker ends, too: it is free for a shorter training, which is another one. Of what fails, the rest
    # knows nothing.
    recipe_in(movies, RECIPE.replace("[localize]", "[localize]\nthreshold = 3") + "[resolution]\n[check]\n")
    ended = command(*line, "--json")
    assert ended.status == 1, ended.err
    (row,) = json.loads(ended.out)["movies"]
    assert "a resolution takes at least 100" in row["why"]
    names = names_in(movies / "out" / "a")
    assert {"model-2.blinkspot", "denoised-2.tif", "processed-2.csv", "check.json"} <= names
    assert not (movies / "out" / "a" / "model.blinkspot").exists()


def test_no_scheduler_and_no_dask(movies: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe_in(movies)
    line = ("batch", movies / "recipe.toml", movies / "a.tif", "-o", movies / "out", "--scheduler")
    monkeypatch.setattr("blinkspot.batch.cluster._CONNECT_S", 0.2)
    assert command(*line, "tcp://127.0.0.1:9").refuses("There is no dask scheduler at tcp://127.0.0.1:9")
    assert command(*line, "nonsense://x").refuses("There is no dask scheduler at nonsense://x")
    assert command(*line, "tls://127.0.0.1:9").refuses("cannot be reached without certificates")
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert command(*line, "tcp://127.0.0.1:9").refuses("pip install 'napari-blinkspot[dask]'")


def test_blocks_cover_a_movie_in_pieces_of_limited_memory() -> None:
    def step(n_frames: int, pixels: int) -> Denoise:
        return Denoise(
            Path("m"), n_frames, pixels, Path("k"), None, "posterior-mean", "adu", "cpu", Path("t")
        )

    assert tasks.blocks_of(step(5, 100)) == ((0, 5),)
    for n_frames, pixels in ((100_000, 512 * 512), (4_001, 32 * 32), (3, 10**9)):
        blocks = tasks.blocks_of(step(n_frames, pixels))
        assert [start for start, _ in blocks[1:]] == [stop for _, stop in blocks[:-1]]
        assert (blocks[0][0], blocks[-1][1]) == (0, n_frames)
        longest = max(stop - start for start, stop in blocks)
        assert longest == 1 or longest * pixels * 4 <= 64 << 20


@pytest.mark.parametrize("frames_at_once", [1, 7, 64])
def test_blocks_of_denoised_frames_are_those_of_the_whole_movie(
    movies: Path, frames_at_once: int, monkeypatch: pytest.MonkeyPatch, quick_model: Any
) -> None:
    from blinkspot.denoising.blocks import denoise_block, join_blocks

    monkeypatch.setattr("blinkspot.denoising.frame_stream._PIXELS_AT_ONCE", {"cpu": frames_at_once * 32 * 32})
    movie = open_stack(movies / "a.tif")
    whole = np.concatenate([chunk.frames for chunk in quick_model.denoise(movie)])
    cuts = [0, 3, 10, 11, 37, 40]
    blocks = [
        finish(denoise_block(quick_model, movie, start, stop, units="photons"))
        for start, stop in itertools.pairwise(cuts)
    ]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    finish(join_blocks(quick_model, movie, movies / "joined.tif", blocks, units="photons"))
    joined = open_stack(movies / "joined.tif")
    np.testing.assert_array_equal(joined.frames(0, 40), whole)
    assert joined.metadata["provenance"]["settings"]["stop"] == 40
    with pytest.raises(BlinkspotError, match="the movie has frames 0 to 39"):
        finish(denoise_block(quick_model, movie, 30, 41))


@pytest.fixture(scope="module")
def quick_model(made_movies: Path) -> Any:
    from blinkspot import Camera, TrainingSettings, train

    settings = TrainingSettings(epochs=1, channels=4, context_frames=1, blind_spot_radius_px=0)
    camera = Camera.load(made_movies / "a_camera.toml")
    return finish(train(open_stack(made_movies / "a.tif"), camera, settings))


def test_blocks_of_rows_are_the_table_of_the_whole_movie(movies: Path) -> None:
    from blinkspot import Camera, LocalizerSettings

    movie = open_stack(movies / "a.tif")
    localizer = Localizer(Camera.load(movies / "a_camera.toml"), LocalizerSettings(false_per_frame=0.5))
    whole = finish(localizer.localize(movie))
    prepared: PreparedLocalizer = pickle.loads(pickle.dumps(finish(localizer.prepare(movie))))
    cuts = [0, 1, 17, 40]
    rows = [
        finish(localizer.rows(prepared, movie, None, start, stop)) for start, stop in itertools.pairwise(cuts)
    ]
    table = localizer.table(prepared, np.concatenate(rows), movie)
    assert len(whole) > 20
    assert table.data.equals(whole.data)
    differing = {"created"}
    assert {k: v for k, v in table.provenance.items() if k not in differing} == {
        k: v for k, v in whole.provenance.items() if k not in differing
    }
