"""What a worker of a cluster does: a step, a block of frames of one, or putting the blocks together.

Every function here can be repeated: what is there already is not made again, so that a task whose worker was
lost can simply be given to another one. It returns an :class:`Outcome`; after one that failed nothing is
done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any, TypeVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from blinkspot.batch.failures import sentence_of
from blinkspot.batch.figures import Figures, figures_of
from blinkspot.batch.plan import MoviePlan
from blinkspot.batch.result_folder import blocks_path, is_there
from blinkspot.batch.steps import BatchStep, Denoise, Localize, Train
from blinkspot.errors import BlinkspotError
from blinkspot.files.whole_files import written_whole
from blinkspot.localization.localizer import PreparedLocalizer
from blinkspot.progress import Progress, Stopwatch
from blinkspot.provenance import package_version

# A block is a task: some seconds of work, and no more than this in memory.
_BLOCK_BYTES = 64 << 20
_MOST_FRAMES = 2_000
_LOOK_EVERY_S = 1.0

ResultT = TypeVar("ResultT")
IsStopped = Callable[[], bool]
Block = tuple[int, int]


@dataclass(frozen=True)
class Order:
    """Who has a task done.

    Attributes
    ----------
    stop : str
        Name of the event by which the client asks for an end.
    version : str
        The client's version of napari-blinkspot.
    """

    stop: str
    version: str


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    failure : str
        A sentence; empty where all went well.
    warnings : tuple of str
        Of the task that learns from a movie how to localize it: what speaks against its camera.
    seconds : float
        Of work; where blocks are put together, theirs included.
    prepared : PreparedLocalizer or None
        Of the same task.
    figures : Figures or None
        Of the task that reads what came out.
    """

    failure: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    prepared: PreparedLocalizer | None = None
    figures: Figures | None = None


def blocks_of(step: Denoise | Localize) -> tuple[Block, ...]:
    """Return the blocks of frames, first and the one after the last, in which a step is done."""
    frame_bytes = 4 * step.frame_pixels
    length = max(1, min(_MOST_FRAMES, _BLOCK_BYTES // frame_bytes))
    return tuple((start, min(step.n_frames, start + length)) for start in range(0, step.n_frames, length))


def do_step(step: BatchStep, order: Order, *before: Outcome) -> Outcome:
    """Do a step in one go.

    Parameters
    ----------
    step : BatchStep
    order : Order
    *before : Outcome
        Of the steps that it is made of.
    """
    return _outcome(lambda: _whole(step), order, before, step)


def prepare_localizing(step: Localize, order: Order, *before: Outcome) -> Outcome:
    """Learn from a movie how it is localized."""

    def job() -> Generator[Progress, None, Outcome]:
        if is_there(step.target):
            return Outcome()
        warnings = yield from step.checked()
        prepared = yield from step.localizer.prepare(*step.opened())
        return Outcome(warnings=tuple(warnings), prepared=prepared)

    return _outcome(job, order, before, step)


def localize_block(step: Localize, block: Block, order: Order, prepared: Outcome) -> Outcome:
    """Localize a block of frames into a file of its own."""

    def job() -> Generator[Progress, None, Outcome]:
        if not (is_there(step.target) or _block_path(step, block).exists()):
            assert prepared.prepared is not None
            movie, denoised = step.opened()
            rows = yield from step.localizer.rows(prepared.prepared, movie, denoised, *block)
            _keep(rows, step, block)
        return Outcome()

    return _outcome(job, order, (prepared,), step)


def join_localized(
    step: Localize, blocks: tuple[Block, ...], order: Order, prepared: Outcome, *done: Outcome
) -> Outcome:
    """Make the table of all blocks."""

    def job() -> Generator[Progress, None, Outcome]:
        if not is_there(step.target):
            assert prepared.prepared is not None
            rows = np.concatenate([_kept(step, block) for block in blocks])
            table = step.localizer.table(prepared.prepared, rows, *step.opened())
            yield from step.finish(table, list(prepared.warnings))
        clear_blocks(step)
        return Outcome(seconds=_seconds(prepared, *done))

    return _outcome(job, order, (prepared, *done), step)


def check_denoising(step: Denoise, order: Order, *before: Outcome) -> Outcome:
    """Check that model and movie suit each other."""

    def job() -> Generator[Progress, None, Outcome]:
        if not is_there(step.target):
            yield from step.checked()
        return Outcome()

    return _outcome(job, order, before, step)


def denoise_block(step: Denoise, block: Block, order: Order, checked: Outcome) -> Outcome:
    """Denoise a block of frames into a file of its own."""
    from blinkspot.denoising import blocks

    def job() -> Generator[Progress, None, Outcome]:
        if not (is_there(step.target) or _block_path(step, block).exists()):
            model, movie = step.opened()
            made = yield from blocks.denoise_block(model, movie, *block, step.estimate, step.units)
            _keep(made, step, block)
        return Outcome()

    return _outcome(job, order, (checked,), step)


def join_denoised(step: Denoise, blocks: tuple[Block, ...], order: Order, *done: Outcome) -> Outcome:
    """Make the movie of all blocks."""
    from blinkspot.denoising.blocks import join_blocks

    def job() -> Generator[Progress, None, Outcome]:
        if not is_there(step.target):
            model, movie = step.opened()
            kept = (_kept(step, block) for block in blocks)
            yield from join_blocks(model, movie, step.target, kept, step.estimate, step.units)
        clear_blocks(step)
        return Outcome(seconds=_seconds(*done))

    return _outcome(job, order, done, step)


def read_figures(plan: MoviePlan, order: Order, *before: Outcome) -> Outcome:
    """Read what came out of a movie, also of one that failed."""
    return _outcome(lambda: _figures(plan), order, ())


def _seconds(*outcomes: Outcome) -> float:
    return sum(outcome.seconds for outcome in outcomes)


def _figures(plan: MoviePlan) -> Generator[Progress, None, Outcome]:
    yield Stopwatch("reading the results", 1.0).at(0.0)
    return Outcome(figures=figures_of(plan))


def _whole(step: BatchStep) -> Generator[Progress, None, Outcome]:
    # One that was lost to the scheduler, but not to the world, may still be at it: it is waited for.
    lock = FileLock(step.target.with_name(f".{step.target.name}.lock"), thread_local=False)
    with lock if isinstance(step, Train) else contextlib.nullcontext():
        if not is_there(step.target):
            yield from step.run()
        # Whoever waits for it sees the result first.
        Path(lock.lock_file).unlink(missing_ok=True)
    return Outcome()


def _outcome(
    job: Callable[[], Generator[Progress, None, Outcome]],
    order: Order,
    before: tuple[Outcome, ...],
    step: BatchStep | None = None,
) -> Outcome:
    """Do a job to its end, or to the client's; errors of the disk are raised, and tried again."""
    began = time.perf_counter()
    failure = next((each.failure for each in before if each.failure), "")
    if failure:
        return Outcome(failure=failure)
    try:
        _check_worker(order, step)
        outcome = _driven(job(), _asked_by(order.stop))
    except Exception as error:
        if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
            raise
        return Outcome(failure=sentence_of(error), seconds=time.perf_counter() - began)
    return dataclasses.replace(outcome, seconds=outcome.seconds + time.perf_counter() - began)


def _check_worker(order: Order, step: BatchStep | None) -> None:
    """Check that this worker has the client's version, and sees the same files."""
    own = package_version()
    if own != order.version:
        raise BlinkspotError(
            f"A worker on {gethostname()} has napari-blinkspot {own}, and the batch was started by "
            f"{order.version}: install the same version wherever a worker runs."
        )
    for path in () if step is None else (*step.movies_read, *step.needs, step.target.parent):
        if not path.exists():
            raise BlinkspotError(
                f"A worker on {gethostname()} does not see {path}: movies and results must lie on a disk "
                "that all workers see under the same paths; else run the batch without a scheduler."
            )


def _driven(job: Generator[Progress, None, ResultT], is_stopped: IsStopped) -> ResultT:
    with contextlib.closing(job):
        look_at = time.perf_counter() + _LOOK_EVERY_S
        while True:
            try:
                next(job)
            except StopIteration as end:
                result: ResultT = end.value
                return result
            if time.perf_counter() > look_at:
                if is_stopped():
                    raise BlinkspotError("Stopped.")
                look_at = time.perf_counter() + _LOOK_EVERY_S


def _asked_by(stop: str) -> IsStopped:
    from distributed import Event

    event = Event(stop)

    def is_set() -> bool:
        try:
            return bool(event.is_set())
        except OSError:  # a scheduler that is busy may still answer the next time
            return False
        except (AttributeError, RuntimeError):
            # dask's, of a worker that is closing, or has closed: what it does reaches nobody any more.
            return True

    return is_set


def _block_path(step: Denoise | Localize, block: Block) -> Path:
    return blocks_path(step.target) / f"{block[0]:09d}-{block[1]:09d}.npy"


def _keep(made: NDArray[Any], step: Denoise | Localize, block: Block) -> None:
    blocks_path(step.target).mkdir(exist_ok=True)
    path = _block_path(step, block)
    try:
        with written_whole(path) as temporary:
            np.save(temporary, made)
    except BlinkspotError:
        # Another worker, that was thought to be lost, was faster.
        if not path.exists():
            raise


def _kept(step: Denoise | Localize, block: Block) -> NDArray[Any]:
    made: NDArray[Any] = np.load(_block_path(step, block), allow_pickle=False)
    return made


def clear_blocks(step: BatchStep) -> None:
    """Remove the blocks of a step that is done."""
    if isinstance(step, (Denoise, Localize)):
        shutil.rmtree(blocks_path(step.target), ignore_errors=True)
