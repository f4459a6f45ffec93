"""A job as a part of a longer one."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from blinkspot.progress import Progress, Stopwatch, relayed

ResultT = TypeVar("ResultT")


def as_part(
    job: Generator[Progress, None, ResultT], clock: Stopwatch, done: float, share: float
) -> Generator[Progress, None, ResultT]:
    """Run a job as a part of a longer one, whose progress never goes back.

    Parameters
    ----------
    job : generator
        Yields progress, which may begin again with each of its steps.
    clock : Stopwatch
        Of the longer one.
    done, share : float
        What is done of the longer one before, and what the job adds to that.
    """
    furthest = 0.0

    def at(value: Progress) -> Progress:
        nonlocal furthest
        furthest = max(furthest, value.fraction)
        return clock.at(done + share * furthest)

    return (yield from relayed(job, at))
