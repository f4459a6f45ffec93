"""Long work in parts of some hundredths of a second, or in a thread of its own where it cannot be cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from blinkspot.progress import Progress, Stopwatch

ResultT = TypeVar("ResultT")
ScalarT = TypeVar("ScalarT", bound=np.generic)

SECONDS_PER_PART = 0.02
SECONDS_BETWEEN_PROGRESS = 0.04


def in_parts(
    work: Callable[[slice], object],
    n: int,
    clock: Stopwatch,
    done: tuple[float, float] = (0.0, 1.0),
    at_first: int = 2**14,
) -> Generator[Progress, None, None]:
    """Do ``work`` on slices that cover 0 to ``n`` in order, yielding after each.

    A slice is up to twice as long as the one before, or shorter, so that one takes about
    ``SECONDS_PER_PART``. Results must not depend on where they are cut.

    Parameters
    ----------
    work : callable
        Takes a slice.
    n : int
    clock : Stopwatch
    done : (float, float)
        What the clock says before the first and after the last.
    at_first : int
        Length of the first slice.
    """
    start, length = 0, at_first
    while start < n:
        stop = min(n, start + length)
        began = time.perf_counter()
        work(slice(start, stop))
        seconds = max(time.perf_counter() - began, 1e-6)
        length = max(1, int(length * min(2.0, SECONDS_PER_PART / seconds)))
        start = stop
        yield clock.at(done[0] + (done[1] - done[0]) * stop / n)


def waited_for(
    job: Callable[[], ResultT], clock: Stopwatch, done: float = 0.0
) -> Generator[Progress, None, ResultT]:
    """Do what cannot be cut in another thread, yielding ``clock.at(done)`` while that lasts."""
    results: list[ResultT] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            results.append(job())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work, name=clock.step, daemon=True)
    thread.start()
    while True:
        thread.join(SECONDS_BETWEEN_PROGRESS)
        if not thread.is_alive():
            break
        yield clock.at(done)
    if errors:
        raise errors[0]
    return results[0]


def gathered(
    values: NDArray[ScalarT], rows: NDArray[np.int64], clock: Stopwatch, done: float
) -> Generator[Progress, None, NDArray[ScalarT]]:
    """Return ``values[rows]``."""
    result = np.empty(len(rows), dtype=values.dtype)

    def gather(part: slice) -> None:
        result[part] = values[rows[part]]

    yield from in_parts(gather, len(rows), clock, (done, done))
    return result
