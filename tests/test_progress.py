"""Jobs that are run as a part of another."""

from collections.abc import Generator

from blinkspot.progress import finish, relayed


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
