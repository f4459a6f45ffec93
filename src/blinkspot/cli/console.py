"""What goes to the terminal: progress and words to standard error, results to standard output."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import NoReturn, TextIO, TypeVar

from tqdm import tqdm

from blinkspot.cli.interruption import immediate_interruption, noted_interruption
from blinkspot.errors import BlinkspotError
from blinkspot.progress import Progress

ResultT = TypeVar("ResultT")


def say(sentence: str) -> None:
    """Print a sentence for the reader, on standard error; if it is closed meanwhile, nobody reads it."""
    with _whether_read_or_not():
        print(sentence, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _whether_read_or_not() -> Iterator[None]:
    """Have a job not end because what is said of it cannot be written any more."""
    try:
        yield
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what a stream holds, and will hold, go nowhere; else Python ends with an error of its own."""
    with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def answer(result: dict[str, object], as_json: bool) -> None:
    """Print a result on standard output: one JSON object, or a line for each entry.

    JSON knows no NaN and no infinity: null stands for them.
    """
    if as_json:
        _print(json.dumps(_finite(result), allow_nan=False))
        return
    for name, value in result.items():
        if value is not None and value != {}:
            show(f"{name.replace('_', ' ')}: {_readable(value)}")


def show(text: str) -> None:
    """Print a result to be read, on standard output."""
    encoding = sys.stdout.encoding or "utf-8"
    # Not every terminal has a letter for all that a path or a sentence may hold.
    _print(text.encode(encoding, "backslashreplace").decode(encoding))


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # whoever read it has read enough
        _give_up(sys.stdout)
    except OSError as error:
        _give_up(sys.stdout)
        raise BlinkspotError(
            f"The results cannot be printed ({error.strerror or error}): check where standard output goes."
        ) from error


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
        try:
            self._bar = _new_bar()  # which writes at once
        except OSError:
            _give_up(sys.stderr)
            self._bar = _new_bar()
        return self

    def __exit__(self, *_: object) -> None:
        with _whether_read_or_not():
            self._bar.close()

    def show(self, progress: Progress, more: str = "") -> None:
        """Show a progress value, with a few more words."""
        remaining_s = progress.remaining_s
        left = "starting" if remaining_s is None else f"{tqdm.format_interval(remaining_s)} left"
        if progress.fraction == 1.0:
            left = "done"
        self._bar.set_description_str(progress.step.capitalize(), refresh=False)
        self._bar.set_postfix_str(f"{left}{more}", refresh=False)
        with _whether_read_or_not():
            self._bar.update(100.0 * progress.fraction - self._bar.n)


def _new_bar() -> tqdm[NoReturn]:
    interval_s = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        total=100.0,
        file=sys.stderr,
        mininterval=interval_s,
        maxinterval=interval_s,
        bar_format="{desc}: {percentage:3.0f} %|{bar:30}| {elapsed}{postfix}",
        leave=True,
    )


def run(
    job: Generator[Progress, None, ResultT],
    more: Callable[[Progress], str] = lambda _: "",
    *,
    only_looks: bool = False,
) -> ResultT:
    """Run a job behind a progress bar and return its result.

    Whatever interrupts it, the job is closed at once, and so clears away what it has half done. An
    interruption waits until the job says how far it is, which it does several times a second: what it keeps
    is then whole. A job that only looks, and neither makes nor keeps anything, is interrupted wherever it is.
    """
    interruption = immediate_interruption if only_looks else noted_interruption
    with interruption() as request, contextlib.closing(job), ProgressBar() as bar:
        while True:
            request.obey()
            try:
                progress = next(job)
            except StopIteration as stop:
                result: ResultT = stop.value
                return result
            bar.show(progress, more(progress))
