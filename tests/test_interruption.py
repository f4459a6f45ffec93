"""Requests to end that a library swallows, or that come in the last moment of a job: obeyed all the same."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import SimpleNamespace

import pytest

from blinkspot import cli
from blinkspot.cli import console
from blinkspot.cli.interruption import noted_interruption, one_interruption
from blinkspot.progress import Progress

pytestmark = pytest.mark.usefixtures("signals_as_before")
pytest_plugins = ["commands"]

HALF = Progress("looking", 1, 2, 0.0)


def swallowed() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def never_begun() -> Generator[Progress, None, None]:
    pytest.fail("begun after a request to end")
    yield HALF


def test_a_request_that_got_lost_is_known_to_the_next_job() -> None:
    with one_interruption() as request:
        assert not request.made
        swallowed()
        assert request.made
        with pytest.raises(KeyboardInterrupt):
            console.run(never_begun())


def test_a_request_in_the_last_moment_of_a_job_ends_the_next_one() -> None:
    def job() -> Generator[Progress, None, str]:
        yield HALF
        signal.raise_signal(signal.SIGINT)
        return "its result"

    with one_interruption():
        assert console.run(job()) == "its result"  # it is whole
        with pytest.raises(KeyboardInterrupt):
            console.run(never_begun())


def test_a_request_of_one_command_is_not_one_of_the_next() -> None:
    with one_interruption():
        swallowed()
    with one_interruption() as request, noted_interruption() as noted:
        assert not request.made
        assert not noted.made


@pytest.mark.parametrize(("only_looks", "ends_at_once"), [(True, True), (False, False)])
def test_a_job_that_only_looks_is_interrupted_wherever_it_is(only_looks: bool, ends_at_once: bool) -> None:
    went_on = False

    def job() -> Generator[Progress, None, None]:
        nonlocal went_on
        signal.raise_signal(signal.SIGINT)
        went_on = True
        yield HALF

    with one_interruption(), pytest.raises(KeyboardInterrupt):
        console.run(job(), only_looks=only_looks)
    assert went_on is not ends_at_once


def test_a_request_that_an_import_swallows_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def imported(name: str) -> SimpleNamespace:
        assert name == "app"
        swallowed()
        return SimpleNamespace(main=lambda _: pytest.fail("the command has run"))

    monkeypatch.delattr(cli, "app", raising=False)
    monkeypatch.setattr(cli, "__getattr__", imported, raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "blinkspot: Stopped; nothing half-done was left behind.\n"
