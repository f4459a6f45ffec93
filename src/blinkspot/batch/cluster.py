"""Run a recipe on movies by the workers of a dask cluster, which may come and go.

All that is asked of dask is what it is made for: futures that depend on each other, that are computed again
where a worker is lost, and that are told of as they are completed. Results lie on a disk that all share.
"""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from blinkspot.batch import tasks
from blinkspot.batch.failures import sentence_of
from blinkspot.batch.figures import Figures
from blinkspot.batch.plan import MoviePlan, Planner
from blinkspot.batch.recipe import Recipe
from blinkspot.batch.result_folder import is_there
from blinkspot.batch.running import (
    BatchProgress,
    checked_movies,
    looked_at,
    noted,
    output_folder,
    said,
    shared_model,
    told,
    waited,
    without_model,
)
from blinkspot.batch.scheduler import Client, Watch, connect, farewell
from blinkspot.batch.steps import BatchStep, Denoise, Localize
from blinkspot.batch.summary import Row, Summary, write_summary
from blinkspot.batch.tasks import Order, Outcome
from blinkspot.errors import BlinkspotError
from blinkspot.progress import Stopwatch
from blinkspot.provenance import package_version

# Of dask.distributed, which is not installed everywhere and not fully typed.
Future = Any

# A disk that fails is tried again so often; a worker that is lost is none of a task's failures.
_RETRIES = 2
_PATIENCE_S = 0.04


def run_on_cluster(
    recipe: Recipe, movies: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], address: str
) -> Generator[BatchProgress, None, Summary]:
    """Do with every movie what a recipe says, by the workers of a cluster; see :func:`.run_batch`.

    Movies, and blocks of their frames, are spread over the workers; a training is one task. Denoised movies
    and tables are to the bit those of :func:`.run_batch` by the same model.

    Parameters
    ----------
    recipe, movies, output
        See :func:`.run_batch`; the paths must be those of the workers, too.
    address : str
        Of the scheduler: ``"tcp://10.0.0.1:8786"``.

    Yields
    ------
    BatchProgress
        In tasks.

    Returns
    -------
    Summary

    Raises
    ------
    BlinkspotError
        See :func:`.run_batch`; also where dask.distributed is not installed, or there is no such scheduler.
    """
    paths, notes = checked_movies(movies)
    with output_folder(output) as folder:
        client, differing = yield from noted(connect(address), "the scheduler")
        cluster = _Cluster(client, address, recipe, Planner(recipe, folder), paths)
        try:
            for note in (*notes, *([differing] if differing else [])):
                yield said(note, "all movies")
            rows = yield from cluster.run()
        finally:
            cluster.leave()
        writing = waited(partial(write_summary, rows, folder, recipe))
        summary: Summary = yield from noted(writing, "all movies")
        return summary


class _Cluster:
    """The futures of a batch."""

    def __init__(
        self, client: Client, address: str, recipe: Recipe, planner: Planner, movies: list[Path]
    ) -> None:
        from distributed import Event

        self._client = client
        self._watch = Watch(client, address)
        self._recipe = recipe
        self._planner = planner
        self._paths = movies
        self._order = Order(f"blinkspot-stop-{uuid.uuid4().hex}", package_version())
        self._event: Any = Event(self._order.stop, client)
        self._movies: dict[Future, _SubmittedMovie] = {}
        self._all: list[Future] = []

    def leave(self) -> None:
        """Leave the cluster; what the workers are still at, where this is before the end, ends soon."""
        is_left = any(not future.done() for future in self._all)
        requests = [self._event.set, partial(self._client.cancel, self._all)] if is_left else []
        farewell(self._client, requests)

    def run(self) -> Generator[BatchProgress, None, tuple[Row, ...]]:
        """Submit everything, and wait."""
        rows: dict[Path, Row] = {}
        training: Future | None = None
        shared, failures = yield from noted(
            shared_model(self._planner, self._recipe, self._paths), "all movies"
        )
        if shared is not None and shared.training is not None and not is_there(shared.path):
            training = self._submit(tasks.do_step, shared.training)
        for note in () if shared is None else shared.notes:
            yield said(f"The camera of all movies: {note}", "all movies")
        for number, path in enumerate(self._paths, start=1):
            about = f"movie {number} of {len(self._paths)}, {path.name}"
            try:
                if path in failures:
                    raise BlinkspotError(failures[path])
                plan: MoviePlan = yield from noted(waited(partial(self._planner.plan, path, shared)), about)
                is_to_do = bool(plan.to_do) or training is not None
                if is_to_do:
                    self._submit_movie(plan, training, priority=-number)
            except Exception as error:
                rows[path] = Row(path, state="failed", why=sentence_of(error))
                yield from told(rows[path], about)
                continue
            for note in plan.notes:
                yield said(f"{path.name}: {note}", about)
            if not is_to_do:
                row = Row(path, plan.folder.path, plan.n_frames, state="skipped")
                rows[path] = yield from noted(looked_at(row, plan), about)
                yield from told(rows[path], about)
        yield from self._collect(rows)
        return tuple(rows[path] for path in self._paths)

    def _collect(self, rows: dict[Path, Row]) -> Generator[BatchProgress, None, None]:
        """Wait for the movies, and put down what became of each."""
        clock = Stopwatch("working", len(self._all))
        waiting = dict(self._movies)
        while waiting:
            ended = [future for future in waiting if future.done()]
            # Asked afterwards: with the scheduler, dask drops all futures.
            is_lost = self._watch.is_lost
            for future in list(waiting) if is_lost else ended:
                movie = waiting.pop(future)
                row = movie.row(_result(future), self._watch.lost if is_lost else "")
                rows[row.movie] = row
                if not is_lost:
                    yield from told(row, row.movie.name)
                    yield from noted(waited(movie.plan.folder.clear_leftovers), row.movie.name)
            note = self._watch.lost if is_lost else self._watch.look()
            yield dataclasses.replace(self._progress(clock), note=note)
            time.sleep(_PATIENCE_S)

    def _submit(self, function: Any, *arguments: Any, priority: int = 0) -> Future:
        # What a task waits for comes last, after who has it done.
        values = [each for each in arguments if not _is_future(each)]
        futures = [each for each in arguments if _is_future(each)]
        try:
            future = self._client.submit(
                function, *values, self._order, *futures, pure=False, retries=_RETRIES, priority=priority
            )
        except Exception as error:
            if self._watch.is_lost:
                raise BlinkspotError(self._watch.lost) from error
            raise
        self._all.append(future)
        return future

    def _submit_movie(self, plan: MoviePlan, training: Future | None, priority: int) -> None:
        """Submit what is left to do with a movie; each step waits for those that it is made of."""
        submit = partial(self._submit, priority=priority)
        made: dict[Path, Future] = {} if training is None or plan.model is None else {plan.model: training}
        steps: list[tuple[BatchStep, Future]] = []
        for step in plan.to_do:
            before = [made[path] for path in step.needs if path in made]
            made[step.target] = _submit_step(step, before, submit)
            steps.append((step, made[step.target]))
        figures = submit(tasks.read_figures, plan, *made.values())
        self._movies[figures] = _SubmittedMovie(plan, training, steps)

    def _progress(self, clock: Stopwatch) -> BatchProgress:
        done = sum(future.done() for future in self._all)
        workers = "" if self._watch.workers is None else f", {self._watch.workers} workers"
        about = f"{done} of {len(self._all)} tasks{workers}"
        return BatchProgress("working", done, len(self._all), clock.elapsed_s, about=about)


def _submit_step(step: BatchStep, before: list[Future], submit: Any) -> Future:
    if isinstance(step, Denoise):
        blocks = tasks.blocks_of(step)
        checked = submit(tasks.check_denoising, step, *before)
        done = [submit(tasks.denoise_block, step, block, checked) for block in blocks]
        return submit(tasks.join_denoised, step, blocks, checked, *done)
    if isinstance(step, Localize):
        prepared = submit(tasks.prepare_localizing, step, *before)
        blocks = tasks.blocks_of(step)
        done = [submit(tasks.localize_block, step, block, prepared) for block in blocks]
        return submit(tasks.join_localized, step, blocks, prepared, *done)
    return submit(tasks.do_step, step, *before)


@dataclass
class _SubmittedMovie:
    """The futures of one movie: of the training that all share, and the last one of each step."""

    plan: MoviePlan
    training: Future | None
    steps: list[tuple[BatchStep, Future]]

    def row(self, figures: Outcome, lost: str) -> Row:
        """Return what its tasks say; a sentence goes before that where they cannot say anything any more."""
        plan = self.plan
        if lost:
            return Row(plan.movie, plan.folder.path, plan.n_frames, state="failed", why=lost)
        outcomes = [(step, _result(future)) for step, future in self.steps]
        lacking = "" if self.training is None else _result(self.training).failure
        # What was not done because of a failure repeats it.
        failures = dict.fromkeys([lacking, *(outcome.failure for _, outcome in outcomes)])
        said_so = [without_model(each) if each == lacking else each for each in failures if each]
        why = " ".join(said_so) or figures.failure
        return Row(
            plan.movie,
            plan.folder.path,
            plan.n_frames,
            figures.figures or Figures(),
            sum(outcome.seconds for _, outcome in outcomes),
            "failed" if why else "done",
            why,
            plan.warnings(),
        )


def _is_future(value: Any) -> bool:
    from distributed import Future as DaskFuture

    return isinstance(value, DaskFuture)


def _result(future: Future) -> Outcome:
    """Return what a task that has ended says, or why it has not come to that."""
    if future.status == "finished":
        result: Outcome = future.result()
        return result
    error = future.exception() if future.status == "error" else None
    if error is None:
        return Outcome(failure="The cluster has dropped it: run the same command again.")
    if type(error).__name__ == "KilledWorker":
        return Outcome(failure="Its workers died, several in a row: look for a lack of memory in their logs.")
    if isinstance(error, (OSError, BlinkspotError)):
        return Outcome(failure=sentence_of(error))
    # All other errors of a task are among what it returns: this one could not be begun.
    words = " ".join(str(error).split()).split(". ")[0][:100]
    return Outcome(
        failure=f"A worker, or the scheduler, cannot begin with it ({type(error).__name__}: {words}): "
        "install the same Python and packages, with napari-blinkspot[dask], wherever the scheduler or a "
        "worker runs, or run the batch without a scheduler."
    )
