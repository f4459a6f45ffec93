"""A batch by the workers of a dask cluster: the same as on one machine, also where a worker is killed."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from batches import RECIPE, TRAIN, names_in, recipe_in, results, run

from blinkspot.batch import BatchProgress, Summary, tasks
from blinkspot.batch.cluster import _result, run_on_cluster
from blinkspot.batch.scheduler import Watch, connect, farewell
from blinkspot.batch.steps import Denoise
from blinkspot.batch.tasks import Order
from blinkspot.errors import BlinkspotError
from blinkspot.localization.localizer import Localizer, PreparedLocalizer
from blinkspot.movies.stack import open_stack
from blinkspot.progress import finish
from blinkspot.provenance import package_version

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


def test_a_model_for_all_of_which_nothing_is_made(cluster: Any, movies: Path, one_thread: None) -> None:
    """It is waited for, what speaks against it is said, and where it fails the rest is done."""
    text = f"[camera]\nfile = 'a_camera.toml'\n[train]\nmodels = 'all'\n{TRAIN}"
    notes: list[str] = []
    summary = on_cluster(
        cluster,
        recipe_in(movies, text),
        movies,
        movies / "there",
        lambda progress: notes.append(progress.note),
    )
    whole = run(recipe_in(movies, text), movies, movies / "here")
    assert [(row.state, row.figures, row.warnings) for row in summary.rows] == [
        (row.state, row.figures, row.warnings) for row in whole.rows
    ]
    assert [row.state for row in summary.rows] == ["done", "failed", "done"]
    assert results(movies / "there") == results(movies / "here")
    assert f"a.tif: {summary.rows[0].warnings[0]}" in notes
    text += "first_frame = 500\n[denoise]\n[localize]\ncandidates_from = 'raw'\n"
    summary = on_cluster(cluster, recipe_in(movies, text), movies, movies / "there")
    whole = run(recipe_in(movies, text), movies, movies / "here")
    assert [(row.why, row.figures) for row in summary.rows] == [(row.why, row.figures) for row in whole.rows]
    assert summary.rows[0].why.startswith("no model for all movies: Frames 500 to 79 cannot be learned from")
    assert (summary.rows[0].figures.molecules or 0) > 20


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
    monkeypatch.setattr("blinkspot.batch.scheduler._CONNECT_S", 0.2)
    assert command(*line, "tcp://127.0.0.1:9").refuses("There is no dask scheduler at tcp://127.0.0.1:9")
    assert command(*line, "nonsense://x").refuses("There is no dask scheduler at nonsense://x")
    # A port at which another program listens, and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert command(*line, f"tcp://127.0.0.1:{port}").refuses("run the batch without a scheduler")
    assert command(*line, "tls://127.0.0.1:9").refuses("cannot be reached without certificates")
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert command(*line, "tcp://127.0.0.1:9").refuses("pip install 'napari-blinkspot[dask]'")


@pytest.fixture
def scheduler() -> Iterator[Any]:
    """A scheduler without workers."""
    with distributed.LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        dashboard_address=None,
        protocol="tcp",
        host="127.0.0.1",
    ) as made:
        yield made


TABLE_ONLY = "[camera]\nfile = 'a_camera.toml'\n[localize]\nthreshold = 0.5\n"


def test_without_workers_it_says_so_and_goes_on_when_one_comes(scheduler: Any, movies: Path) -> None:
    recipe = recipe_in(movies, TABLE_ONLY)
    said: list[str] = []

    def start_a_worker(progress: BatchProgress) -> None:
        said.extend([progress.note] if progress.note else [])
        if said and not scheduler.workers:
            scheduler.scale(1)

    names = [movies / "a.tif"]
    job = run_on_cluster(recipe, names, movies / "out", scheduler.scheduler_address)
    (row,) = finish(job, start_a_worker).rows
    assert row.state == "done", row.why
    (sentence,) = said
    assert sentence.startswith(
        f"No worker is at the scheduler {scheduler.scheduler_address}: the batch waits"
    )
    assert results(movies / "out") == results_here(recipe, movies)


def results_here(recipe: Any, movies: Path) -> dict[str, Any]:
    run(recipe, movies, movies / "here", "a")
    return results(movies / "here")


def test_a_scheduler_that_is_lost(movies: Path, scheduler: Any, command: Command, on_progress: Any) -> None:
    recipe_in(movies, TABLE_ONLY)
    lost: list[bool] = []

    def lose(progress: Any) -> None:
        if progress.step == "working" and not lost:
            lost.append(True)
            scheduler.close()

    on_progress(lose)
    line = ("batch", movies / "recipe.toml", movies / "a.tif", movies / "b.tif", "-o", movies / "out")
    ended = command(*line, "--scheduler", scheduler.scheduler_address)
    assert ended.status == 1
    sentence = f"The dask scheduler {scheduler.scheduler_address} is lost; what is done is kept"
    assert sum(sentence in words for words in ended.words) == 1
    assert ended.out.count(f"failed: {sentence}") == 2
    # Without it, the same command goes on.
    assert command(*line).status == 0


class SilentClient:
    """A client whose scheduler does not answer, or not any more."""

    status = "running"

    def __init__(self, workers: list[int | None]) -> None:
        self.workers = workers
        self.is_left = threading.Event()

    def nthreads(self) -> dict[str, int]:
        n = self.workers.pop(0) if self.workers else None
        if n is None:
            self.is_left.wait(30.0)
            raise OSError
        return {str(number): 1 for number in range(n)}

    def close(self, timeout: float) -> None:
        self.is_left.wait(30.0)


def test_what_hinders_is_said_once_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    client = SilentClient([0] * 8 + [1, 1] + [0] * 8)
    watch = Watch(client, "tcp://s")
    said = []
    while len(said) < 3:
        sentence = watch.look()
        thread = watch._asking
        if thread is not None and client.workers:
            thread.join()
        said += [sentence] if sentence else []
    assert [sentence.split(" tcp")[0] for sentence in said] == [
        "No worker is at the scheduler",
        "No worker is at the scheduler",
        "The dask scheduler",
    ]
    assert "does not answer" in said[-1]
    assert not watch.is_lost
    client.is_left.set()


def test_nobody_waits_for_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    client = SilentClient([])
    asked = threading.Event()
    farewell(client, [asked.set])  # would wait for 30 s
    assert asked.wait(5.0)
    assert not client.is_left.is_set()
    client.is_left.set()
    # Nor while it connects: what is made after that is closed.
    closed = threading.Event()
    may_connect = threading.Event()

    def connecting(*_: Any, **__: Any) -> Any:
        may_connect.wait(30.0)
        return client

    monkeypatch.setattr(distributed, "Client", connecting)
    monkeypatch.setattr(client, "close", lambda timeout: closed.set())
    job = connect("tcp://s")
    next(job)
    job.close()
    assert not closed.is_set()
    may_connect.set()
    assert closed.wait(5.0)


def test_who_could_not_leave_in_time_does_not_try_again_when_collected(scheduler: Any) -> None:
    client, _ = finish(connect(scheduler.scheduler_address))
    leave, begun = client._close, []

    async def slow(fast: bool) -> None:
        begun.append(fast)
        await asyncio.sleep(30.0)

    client._close = slow
    farewell(client, [])
    begun_s = time.monotonic()
    while client.status != "closed" and time.monotonic() < begun_s + 10.0:
        time.sleep(0.01)
    client.__del__()
    assert begun == [True]
    client._close, client.status = leave, "running"
    client.close()


def test_versions_that_differ_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed.versions import VersionMismatchWarning, error_message, get_versions

    here = get_versions()
    other = {**here, "packages": {**here["packages"], "python": "3.99.1.final.0"}}

    def connecting(*_: Any, **__: Any) -> Any:
        told = error_message(here, {"tcp://w": other}, here)
        warnings.warn(VersionMismatchWarning(told["warning"]), stacklevel=1)
        return SilentClient([])

    monkeypatch.setattr(distributed, "Client", connecting)
    _, sentence = finish(connect("tcp://s"))
    assert "\n" not in sentence
    assert sentence.startswith(
        "Versions differ between this machine, the scheduler and the workers (python: 3."
    )
    assert "3.99.1.final.0): install the same everywhere" in sentence


def test_workers_that_cannot_do_it_say_why(movies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_asked_by", lambda stop: lambda: False)
    step = Denoise(
        movies / "a.tif",
        40,
        32 * 32,
        movies / "b.tif",
        None,
        "posterior-mean",
        "adu",
        "cpu",
        movies / "t.tif",
    )
    order = Order("stop", package_version())
    elsewhere = Path("/only/there")
    unseen = tasks.check_denoising(replace(step, movie=elsewhere / "a.tif"), order)
    assert f"does not see {elsewhere / 'a.tif'}: movies and results must lie on a disk" in unseen.failure
    unseen = tasks.check_denoising(replace(step, target=elsewhere / "t.tif"), order)
    assert f"does not see {elsewhere}: " in unseen.failure
    unseen = tasks.check_denoising(replace(step, model=elsewhere / "m"), order)
    assert f"does not see {elsewhere / 'm'}: " in unseen.failure
    older = tasks.check_denoising(step, replace(order, version="0.0.1"))
    assert f"has napari-blinkspot {package_version()}, and the batch was started by 0.0.1" in older.failure


def test_a_disk_that_fails_is_tried_again_whoever_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order("stop", package_version())
    monkeypatch.setattr(tasks, "_asked_by", lambda _: lambda: False)

    def outcome_of(cause: Exception | None) -> tasks.Outcome:
        def fail() -> Any:
            yield
            raise BlinkspotError("It could not be written.") from cause

        return tasks._outcome(fail, order, ())

    assert outcome_of(None).failure == outcome_of(ValueError()).failure == "It could not be written."
    with pytest.raises(BlinkspotError) as raised:  # by which dask tries it again
        outcome_of(OSError(5, "Input/output error"))
    ended: Any = SimpleNamespace(status="error", exception=lambda: raised.value)
    assert _result(ended).failure == "It could not be written."


def test_a_worker_that_hears_nothing_goes_on_and_one_that_is_closing_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [False, OSError("timed out"), True, RuntimeError("ConnectionPool is closed")]

    class Event:
        def __init__(self, name: str) -> None:
            assert name == "stop"

        def is_set(self) -> bool:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return bool(answer)

    monkeypatch.setattr(distributed, "Event", Event)
    is_stopped = tasks._asked_by("stop")
    assert [is_stopped() for _ in range(4)] == [False, False, True, True]


def test_a_worker_without_the_packages(scheduler: Any, movies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_begin(step: Any, order: Order) -> tasks.Outcome:
        raise ModuleNotFoundError("No module named 'blinkspot'")

    scheduler.scale(1)
    monkeypatch.setattr(tasks, "prepare_localizing", cannot_begin)
    names = [movies / "a.tif"]
    job = run_on_cluster(recipe_in(movies, TABLE_ONLY), names, movies / "out", scheduler.scheduler_address)
    (row,) = finish(job).rows
    assert (
        "cannot begin with it (ModuleNotFoundError: No module named 'blinkspot'): install the same" in row.why
    )


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
