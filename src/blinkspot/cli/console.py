"""What goes to the terminal: progress and words to standard error, results to standard output."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Generator
from typing import TypeVar

from tqdm import tqdm

from blinkspot.cli.interruption import noted_interruption
from blinkspot.progress import Progress

ResultT = TypeVar("ResultT")


def say(sentence: str) -> None:
    """Print a sentence for the reader, on standard error."""
    print(sentence, file=sys.stderr, flush=True)


def answer(result: dict[str, object], as_json: bool) -> None:
    """Print a result on standard output: one JSON object, or a line for each entry.

    JSON knows no NaN and no infinity: null stands for them.
    """
    if as_json:
        print(json.dumps(_finite(result), allow_nan=False), flush=True)
        return
    for name, value in result.items():
        if value is not None and value != {}:
            show(f"{name.replace('_', ' ')}: {_readable(value)}")


def show(text: str) -> None:
    """Print a result to be read, on standard output."""
    encoding = sys.stdout.encoding or "utf-8"
    # Not every terminal has a letter for all that a path or a sentence may hold.
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return value


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(entry)}" for name, entry in value.items())
    return str(value)


class ProgressBar:
    """A progress bar with the time left, on standard error; a context manager.

    In a file or a pipe, where a bar cannot be redrawn, it prints a line now and then.
    """

    def __enter__(self) -> ProgressBar:
        interval_s = 0.2 if sys.stderr.isatty() else 10.0
        self._bar = tqdm(
            total=100.0,
            file=sys.stderr,
            mininterval=interval_s,
            maxinterval=interval_s,
            bar_format="{desc}: {percentage:3.0f} %|{bar:30}| {elapsed}{postfix}",
            leave=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress, more: str = "") -> None:
        """Show a progress value, with a few more words."""
        remaining_s = progress.remaining_s
        left = "starting" if remaining_s is None else f"{tqdm.format_interval(remaining_s)} left"
        if progress.fraction == 1.0:
            left = "done"
        self._bar.set_description_str(progress.step.capitalize(), refresh=False)
        self._bar.set_postfix_str(f"{left}{more}", refresh=False)
        self._bar.update(100.0 * progress.fraction - self._bar.n)


def run(job: Generator[Progress, None, ResultT], more: Callable[[Progress], str] = lambda _: "") -> ResultT:
    """Run a job behind a progress bar and return its result.

    Whatever interrupts it, the job is closed at once, and so clears away what it has half done. An
    interruption waits until the job says how far it is, which it does several times a second: what it keeps
    is then whole.
    """
    with noted_interruption() as request, contextlib.closing(job), ProgressBar() as bar:
        while True:
            if request.made:
                raise KeyboardInterrupt
            try:
                progress = next(job)
            except StopIteration as stop:
                result: ResultT = stop.value
                return result
            bar.show(progress, more(progress))
