"""Run a recipe on movies, one after another, on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from blinkspot.batch.failures import sentence_of
from blinkspot.batch.figures import figures_of
from blinkspot.batch.plan import MoviePlan, Planner
from blinkspot.batch.recipe import Recipe
from blinkspot.batch.result_folder import is_there
from blinkspot.batch.shared_model import Joined, SharedModel, is_shared, joined
from blinkspot.batch.summary import Row, State, Summary, check_can_replace, write_summary
from blinkspot.errors import BlinkspotError
from blinkspot.paced import waited_for
from blinkspot.progress import Progress, Stopwatch, relayed

LOCK = ".lock"
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class BatchProgress(Progress):
    """How far a batch is.

    Attributes
    ----------
    about : str
        Which movie of how many; the rest is about its current step.
    note : str
        A sentence for the reader; empty but once for each.
    inner : Progress or None
        What the step itself says.
    """

    about: str = ""
    note: str = ""
    inner: Progress | None = None


def run_batch(
    recipe: Recipe, movies: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]
) -> Generator[BatchProgress, None, Summary]:
    """Do with every movie what a recipe says.

    What is done already is not done again, what was begun is gone on with, and a movie that fails does not
    stop the others. Closed midway, it leaves nothing half done under a final name.

    Parameters
    ----------
    recipe : Recipe
        By :func:`.read_recipe`.
    movies : sequence of path
        As recorded.
    output : path
        Folder of the results, made where it does not exist: a folder in it for each movie, and
        ``summary.csv``.

    Yields
    ------
    BatchProgress

    Returns
    -------
    Summary

    Raises
    ------
    BlinkspotError
        If there are no movies, or the folder cannot be made, or another batch is writing it.
    """
    paths, notes = checked_movies(movies)
    with output_folder(output) as folder:
        for note in notes:
            yield said(note, "all movies")
        planner = Planner(recipe, folder)
        about = "all movies"
        shared, failures, lacking = yield from noted(_prepared(planner, recipe, paths), about)
        rows = []
        for note in () if shared is None else shared.notes:
            yield said(f"The camera of all movies: {note}", about)
        for number, path in enumerate(paths, start=1):
            about = f"movie {number} of {len(paths)}, {path.name}"
            if path in failures:
                rows.append(Row(path, state="failed", why=failures[path]))
            else:
                rows.append((yield from _row(planner, path, shared, lacking, about)))
            yield from told(rows[-1], about)
        summary: Summary = yield from noted(
            waited(partial(write_summary, tuple(rows), folder, recipe)), about
        )
        return summary


def checked_movies(movies: Sequence[str | os.PathLike[str]]) -> tuple[list[Path], list[str]]:
    """Return the movies' paths, each file once, and a sentence on each one that is left out for that.

    Raises
    ------
    BlinkspotError
        If there is none.
    """
    paths = list(dict.fromkeys(Path(os.path.abspath(movie)) for movie in movies))
    if not paths:
        raise BlinkspotError("There are no movies: give one or more.")
    files: dict[str, Path] = {}
    notes = []
    for path in paths:
        first = files.setdefault(os.path.realpath(path), path)
        if first != path:
            notes.append(f"{path} and {first} are one movie, which is done once, as the latter.")
    return list(files.values()), notes


@contextlib.contextmanager
def output_folder(output: str | os.PathLike[str]) -> Iterator[Path]:
    """Make the folder of a batch where it does not exist, and have it for this process alone.

    Raises
    ------
    BlinkspotError
        If it cannot be made or written, another batch has it, or what is called ``summary.csv`` in it is not
        of a batch.
    """
    path = Path(os.path.abspath(output))
    try:
        path.mkdir(exist_ok=True)
        lock = FileLock(path / LOCK, timeout=0, thread_local=False)
        lock.acquire()
    except Timeout as error:
        raise BlinkspotError(
            f"Another batch is writing into {path}: wait until it is done, or choose another folder."
        ) from error
    except OSError as error:
        raise BlinkspotError(
            f"The folder {path} cannot be made or written ({error.strerror or error}): choose another one."
        ) from error
    try:
        check_can_replace(path)
        yield path
    finally:
        lock.release()


def shared_model(
    planner: Planner, recipe: Recipe, paths: Sequence[Path]
) -> Generator[Progress, None, tuple[SharedModel | None, dict[Path, str]]]:
    """Return the model that all movies share, if they do, and why which movies cannot be done.

    See :func:`.joined` and :meth:`.Planner.shared_model`.
    """
    together = Joined(tuple(paths), {})
    if is_shared(recipe):
        together = yield from waited(partial(joined, paths))
    if not together.movies:
        return None, together.left_out
    try:
        shared, others = yield from waited(partial(planner.shared_model, together.movies))
    except Exception as error:
        shared, others = None, dict.fromkeys(together.movies, without_model(sentence_of(error)))
    return shared, {**others, **together.left_out}


def without_model(why: str) -> str:
    """Return what is said of each movie where the model that all share cannot be made."""
    return f"no model for all movies: {why}"


def _prepared(
    planner: Planner, recipe: Recipe, paths: list[Path]
) -> Generator[Progress, None, tuple[SharedModel | None, dict[Path, str], str | None]]:
    """Make the model that all movies share.

    Returns
    -------
    shared : SharedModel or None
    failures : dict
        Why which movies cannot be done.
    lacking : str or None
        Why the model could not be trained; empty where it was, now, and None where nothing was to be trained.
    """
    shared, failures = yield from shared_model(planner, recipe, paths)
    if shared is None or shared.training is None or is_there(shared.path):
        return shared, failures, None
    try:
        yield from shared.training.run()
    except Exception as error:
        return shared, failures, without_model(sentence_of(error))
    return shared, failures, ""


def told(row: Row, about: str) -> Iterator[BatchProgress]:
    """Say what speaks against trusting a movie's results, and why it failed."""
    for warning in row.warnings:
        yield said(f"{row.movie.name}: {warning}", about)
    if row.why:
        yield said(f"{row.movie.name} failed: {row.why}", about)


def _row(
    planner: Planner, path: Path, shared: SharedModel | None, lacking: str | None, about: str
) -> Generator[BatchProgress, None, Row]:
    """Do what is left to do with a movie, and tell what came out."""
    began = time.perf_counter()
    plan: MoviePlan | None = None
    row = Row(path, state="skipped")
    try:
        plan = yield from noted(waited(partial(planner.plan, path, shared)), about)
        row = dataclasses.replace(row, folder=plan.folder.path, frames=plan.n_frames)
        for note in plan.notes:
            yield said(f"{path.name}: {note}", about)
        failures = yield from _done(plan, lacking, about)
        yield from noted(waited(plan.folder.clear_leftovers), about)
        state: State = "failed" if failures else ("done" if failures is not None else "skipped")
        row = dataclasses.replace(row, state=state, why=" ".join(failures or ()))
    except Exception as error:
        row = dataclasses.replace(row, state="failed", why=sentence_of(error))
    row = dataclasses.replace(row, seconds=time.perf_counter() - began)
    if plan is None:
        return row
    return (yield from noted(looked_at(row, plan), about))


def _done(
    plan: MoviePlan, lacking: str | None, about: str
) -> Generator[BatchProgress, None, list[str] | None]:
    """Do what is left to do; return what failed, or None where there was nothing to do."""
    to_do = plan.to_do
    failures = [lacking] if lacking else []
    missing = {plan.model} if lacking else set()
    for step in to_do:
        if missing & set(step.needs):
            missing.add(step.target)
            continue
        try:
            yield from noted(step.run(), about)
        except Exception as error:
            failures.append(sentence_of(error))
            missing.add(step.target)
    return failures if to_do or lacking is not None else None


def looked_at(row: Row, plan: MoviePlan) -> Generator[Progress, None, Row]:
    """Return the row with what the movie's results say; see :func:`figures_of`."""
    found: Row = yield from waited(partial(_with_figures, row, plan))
    return found


def _with_figures(row: Row, plan: MoviePlan) -> Row:
    """Return the row with what the movie's results, as far as they are there, say."""
    row = dataclasses.replace(row, warnings=plan.warnings())
    try:
        return dataclasses.replace(row, figures=figures_of(plan))
    except Exception as error:
        return dataclasses.replace(row, state="failed", why=row.why or sentence_of(error))


def waited(job: Any) -> Generator[Progress, None, Any]:
    """Do what cannot be cut in another thread; yield while that lasts."""
    return waited_for(job, Stopwatch("looking at the movie", 1.0))


def noted(job: Generator[Progress, None, ResultT], about: str) -> Generator[BatchProgress, None, ResultT]:
    """Run a job as a part of a batch, saying what it is about."""
    return relayed(
        job,
        lambda value: BatchProgress(
            value.step,
            value.done,
            value.total,
            value.elapsed_s,
            done_before=value.done_before,
            about=about,
            inner=value,
        ),
    )


def said(sentence: str, about: str) -> BatchProgress:
    """Return a progress value that carries a sentence for the reader."""
    return BatchProgress("looking at the movie", 0.0, 1.0, 0.0, about=about, note=sentence)
