"""Jobs that are run as a part of another."""

import threading
from collections.abc import Generator
from types import SimpleNamespace

from blinkspot import progress
from blinkspot.progress import Stopwatch, finish, pause, relayed


def job(closed: list[str]) -> Generator[int, None, str]:
    try:
        yield 1
        yield 2
        return "result"
    finally:
        closed.append("job")


def around(closed: list[str]) -> Generator[str, None, str]:
    result = yield from relayed(job(closed), lambda value: f"at {value}")
    return result.upper()


def test_values_are_changed_and_the_result_comes_through():
    said: list[str] = []
    assert finish(around([]), said.append) == "RESULT"
    assert said == ["at 1", "at 2"]


def test_closing_what_is_around_it_closes_the_job():
    closed: list[str] = []
    outer = around(closed)
    next(outer)
    outer.close()
    assert closed == ["job"]


def test_a_pause_does_not_count_in_its_own_thread_alone(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    watch = Stopwatch("working", 10.0)
    now[0] += 2.0
    with pause():
        now[0] += 1000.0
    now[0] += 1.0
    assert watch.elapsed_s == 3.0
    assert watch.at(5.0).remaining_s == 3.0
    assert Stopwatch("working", 10.0).elapsed_s == 0.0

    def elsewhere():
        with pause():
            now[0] += 50.0

    other = threading.Thread(target=elsewhere)
    other.start()
    other.join()
    assert watch.elapsed_s == 53.0
