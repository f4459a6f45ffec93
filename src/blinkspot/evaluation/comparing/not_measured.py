"""What a movie does not tell, and why."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

from blinkspot.errors import BlinkspotError
from blinkspot.progress import Progress

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class NotMeasured:
    """Stands for a result that a movie does not give.

    Attributes
    ----------
    reason : str
        Why, and what to do, in one sentence.
    """

    reason: str

    def as_dict(self) -> dict[str, str]:
        """Return the reason, JSON-ready."""
        return {"not_measured": self.reason}


def attempted(
    job: Generator[Progress, None, ResultT],
) -> Generator[Progress, None, ResultT | NotMeasured]:
    """Run a job; where the movie or its tables do not allow it, return why instead of its result."""
    try:
        return (yield from job)
    except BlinkspotError as error:
        return NotMeasured(str(error))
