"""Jobs in other threads: what they report, how they stop, what becomes of their errors."""

import gc
import logging
import threading
import time
import weakref

import pytest
from qtpy.QtCore import QObject
from test_plugin_helpers import notifications, wait_for_workers

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.backend import meanwhile
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.one_by_one import OneByOne
from blinkspot.plugin.jobs.running import End, JobRunner
from blinkspot.plugin.widgets.job_bar import JobBar, time_left
from blinkspot.progress import Progress, Stopwatch, finish


class Endless:
    """A job that runs until it is stopped, and notes how it ended."""

    def __init__(self):
        self.closed_in = None
        self.yielded = 0

    def run(self):
        try:
            while True:
                time.sleep(0.01)
                self.yielded += 1
                yield Progress("working", self.yielded, 10_000, 0.01 * self.yielded)
        finally:
            self.closed_in = threading.current_thread()


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def runner(qtbot, outcomes):
    runner = JobRunner()
    runner.ended.connect(outcomes.append)
    yield runner
    runner.stop()
    wait_for_workers(qtbot)


@pytest.mark.viewer
@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_that_a_job_was_made_of_outlives_it(qtbot, viewer, runner, outcomes, stopped):
    class Movie:
        def job(self):
            for done in range(10):
                time.sleep(0.01)
                yield Progress("working", done, 10, 0.01)
            while stopped:
                time.sleep(0.01)
                yield Progress("working", 10, 10, 0.01)

    movie = Movie()
    kept = weakref.ref(movie)
    assert runner.start("Working", movie.job)
    del movie
    if stopped:
        runner.stop()
    qtbot.waitUntil(lambda: len(outcomes) == 1)
    gc.collect()
    assert kept() is None


def test_what_cannot_be_interrupted_is_not_waited_for(qtbot, runner, outcomes):
    released, has_ended = threading.Event(), threading.Event()
    bar = JobBar(runner, "Stop", "")
    qtbot.addWidget(bar)

    def endless():
        released.wait()
        has_ended.set()

    assert runner.start("Working", lambda: meanwhile(endless, "loading PyTorch"))
    qtbot.waitUntil(lambda: bar.status.text() == "Loading PyTorch...")
    runner.stop()
    qtbot.waitUntil(lambda: bool(outcomes))
    assert outcomes[0].end is End.STOPPED
    assert not has_ended.is_set()
    released.set()
    assert has_ended.wait(5.0)


def test_what_is_computed_meanwhile_is_returned_and_its_errors_raised():
    assert finish(meanwhile(lambda: 42, "counting")) == 42
    with pytest.raises(ZeroDivisionError):
        finish(meanwhile(lambda: 1 // 0, "dividing"))


def test_a_job_reports_its_values_and_its_result(qtbot, runner, outcomes):
    seen = []
    runner.progressed.connect(seen.append)

    def job():
        yield Progress("counting", 1, 2, 0.0)
        yield "something"
        return 42

    assert runner.start("Counting", job)
    qtbot.waitUntil(lambda: bool(outcomes))
    assert seen == [Progress("counting", 1, 2, 0.0), "something"]
    assert (outcomes[0].end, outcomes[0].result) == (End.DONE, 42)
    assert not runner.busy


def test_a_job_runs_in_another_thread(qtbot, runner, outcomes):
    def job():
        yield
        return threading.current_thread()

    runner.start("Looking", job)
    qtbot.waitUntil(lambda: bool(outcomes))
    assert outcomes[0].result is not threading.main_thread()


def test_stop_ends_a_job_and_closes_it_in_its_own_thread(qtbot, runner, outcomes):
    endless = Endless()
    runner.start("Working", endless.run)
    qtbot.waitUntil(lambda: endless.yielded > 5)
    runner.stop()
    qtbot.waitUntil(lambda: bool(outcomes))
    assert outcomes[0].end is End.STOPPED
    assert endless.closed_in is not None
    assert endless.closed_in is not threading.main_thread()


def test_a_paused_job_rests_until_it_may_go_on(qtbot, runner, outcomes):
    bar = JobBar(runner, "Stop", "", "Have it wait.")
    qtbot.addWidget(bar)
    bar.show()
    endless = Endless()
    runner.start("Working", endless.run)
    qtbot.waitUntil(lambda: "%" in bar.status.text())
    bar.pause_button.click()
    assert (bar.pause_button.text(), runner.paused, runner.busy) == ("Resume", True, True)
    qtbot.wait(300)
    yielded = endless.yielded
    qtbot.wait(300)
    assert endless.yielded == yielded
    assert bar.status.text().startswith("Paused. Working: ")
    bar.pause_button.click()
    assert (bar.pause_button.text(), runner.paused) == ("Pause", False)
    qtbot.waitUntil(lambda: endless.yielded > yielded + 5)
    assert bar.status.text().startswith("Working: ")


def test_a_pause_does_not_count_as_time_of_the_job(qtbot, runner, outcomes):
    asked = threading.Event()

    def job():
        watch = Stopwatch("working", 1.0)
        asked.wait(10)
        yield
        return watch.elapsed_s, time.perf_counter() - watch.started

    runner.start("Working", job)
    runner.pause()
    asked.set()
    qtbot.wait(400)
    runner.go_on()
    qtbot.waitUntil(lambda: bool(outcomes))
    counted_s, by_the_clock_s = outcomes[0].result
    assert by_the_clock_s > counted_s + 0.2


@pytest.mark.parametrize("end", ["stopped", "owner gone"])
def test_a_paused_job_can_be_stopped(qtbot, outcomes, end):
    parent = QObject()
    runner = JobRunner(parent)
    runner.ended.connect(outcomes.append)
    endless = Endless()
    runner.start("Working", endless.run)
    qtbot.waitUntil(lambda: endless.yielded > 2)
    runner.pause()
    qtbot.wait(200)
    if end == "stopped":
        runner.stop()
        qtbot.waitUntil(lambda: bool(outcomes))
        assert outcomes[0].end is End.STOPPED
        assert not runner.paused
        # The next job does not begin paused.
        runner.start("Working", lambda: iter_of(7))
        qtbot.waitUntil(lambda: len(outcomes) == 2)
        assert outcomes[1].result == 7
    parent.deleteLater()
    qtbot.waitUntil(lambda: endless.closed_in is not None)
    assert endless.closed_in is not threading.main_thread()
    wait_for_workers(qtbot)


def iter_of(result):
    yield
    return result


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("long_s", [0.1, 100.0])
def test_long_jobs_give_back_the_memory_that_they_leave(qtbot, runner, outcomes, monkeypatch, end, long_s):
    steps = []
    monkeypatch.setattr("blinkspot.plugin.jobs.running._LONG_S", long_s)
    monkeypatch.setattr(
        "blinkspot.plugin.jobs.running.give_back_freed_memory",
        lambda: steps.append(("given back", threading.current_thread())),
    )

    def job():
        try:
            for turn in range(200 if end is End.STOPPED else 20):
                time.sleep(0.01)
                yield Progress("working", turn, 200, 0.0)
            if end is End.FAILED:
                raise BlinkspotError("It cannot be done.")
            return "result"
        finally:
            steps.append(("cleared away", threading.current_thread()))

    assert runner.start("a job", job)
    if end is End.STOPPED:
        qtbot.wait(200)
        runner.stop()
    with notifications():
        qtbot.waitUntil(lambda: bool(outcomes))
    assert outcomes[0].end is end
    assert outcomes[0].result == ("result" if end is End.DONE else None)
    names = ["cleared away", "given back"] if long_s < 1.0 else ["cleared away"]
    assert [name for name, _ in steps] == names
    assert threading.main_thread() not in [thread for _, thread in steps]


def test_a_second_job_is_refused_while_one_runs(qtbot, runner, outcomes):
    endless = Endless()
    assert runner.start("Working", endless.run)
    assert not runner.start("Working too", Endless().run)
    runner.stop()
    qtbot.waitUntil(lambda: bool(outcomes))
    assert len(outcomes) == 1


def test_a_sentence_for_the_user_is_shown_as_a_warning(qtbot, runner, outcomes):
    def job():
        yield
        raise BlinkspotError("The movie is empty: choose another one.")

    with notifications() as shown:
        runner.start("Working", job)
        qtbot.waitUntil(lambda: bool(outcomes))
    assert shown == [("warning", "The movie is empty: choose another one.")]
    assert outcomes[0].end is End.FAILED
    assert outcomes[0].message == "The movie is empty: choose another one."


def test_a_defect_is_shown_as_an_error_and_its_traceback_logged(qtbot, runner, outcomes, caplog):
    def job():
        yield
        raise ZeroDivisionError("oh")

    with notifications() as shown, caplog.at_level(logging.ERROR, "blinkspot"):
        runner.start("Working", job)
        qtbot.waitUntil(lambda: bool(outcomes))
    assert [severity for severity, _ in shown] == ["error"]
    assert "Working failed" in shown[0][1]
    assert "oh" in shown[0][1]
    assert "ZeroDivisionError" in caplog.text


def test_a_job_whose_runner_is_destroyed_is_stopped(qtbot):
    parent = QObject()
    runner = JobRunner(parent)
    endless = Endless()
    runner.start("Working", endless.run)
    qtbot.waitUntil(lambda: endless.yielded > 2)
    parent.deleteLater()
    qtbot.waitUntil(lambda: endless.closed_in is not None, timeout=2000)
    wait_for_workers(qtbot)


def test_a_job_shows_in_the_activity_dock_and_can_be_cancelled_there(qtbot, viewer, outcomes):
    from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

    runner = JobRunner()
    runner.ended.connect(outcomes.append)
    endless = Endless()
    runner.start("Working hard", endless.run)

    def line():
        bars = viewer.window._qt_viewer.window()._activity_dialog.findChildren(QtLabeledProgressBar)
        return next((bar for bar in bars if "Working hard" in bar.description_label.text()), None)

    qtbot.waitUntil(lambda: line() is not None)
    line().cancel_button.click()
    qtbot.waitUntil(lambda: bool(outcomes), timeout=2000)
    assert outcomes[0].end is End.STOPPED
    qtbot.waitUntil(lambda: line() is None, timeout=2000)
    runner.deleteLater()


def test_the_bar_shows_progress_and_its_button_stops(qtbot, runner, outcomes):
    bar = JobBar(runner, "Stop", "Stop it.")
    qtbot.addWidget(bar)
    bar.show()
    endless = Endless()
    runner.start("Working", endless.run)
    qtbot.waitUntil(lambda: "%" in bar.status.text())
    assert bar.stop_button.isVisible()
    bar.stop_button.click()
    assert bar.status.text() == "Stopping..."
    qtbot.waitUntil(lambda: bool(outcomes))
    assert bar.status.text() == "Stopped."
    assert not bar.stop_button.isVisible()


@pytest.mark.parametrize(
    ("elapsed_s", "done", "expected"),
    [
        (0.1, 1, ""),
        (10, 50, ", 10 s left"),
        (59.8, 50, ", 1 min 00 s left"),
        (100, 25, ", 5 min 00 s left"),
        (3600, 50, ", 1 h 00 min left"),
    ],
)
def test_time_left_is_said_in_round_units(elapsed_s, done, expected):
    assert time_left(Progress("working", done, 100, elapsed_s)) == expected


def test_only_the_newest_answer_is_delivered(qtbot):
    latest = LatestOnly()
    answers, computed, go_on = [], [], threading.Event()
    latest.answered.connect(answers.append)

    def question(number):
        def answer():
            go_on.wait(5)
            computed.append(number)
            return number

        return answer

    for number in range(5):
        latest.ask(question(number))
    go_on.set()
    qtbot.waitUntil(lambda: bool(answers))
    qtbot.waitUntil(lambda: not latest.busy)
    # The first was under way already; those between were never computed.
    assert computed == [0, 4]
    assert answers == [4]


def test_of_questions_one_by_one_each_is_answered_in_turn(qtbot):
    turns = OneByOne()
    said, go_on = [], threading.Event()
    turns.answered.connect(said.append)
    turns.failed.connect(lambda error: said.append(str(error)))

    def question(number):
        def answer():
            go_on.wait(5)
            if number == 1:
                raise ValueError("of 1")
            return number

        return answer

    for number in range(4):
        turns.ask(question(number))
    go_on.set()
    qtbot.waitUntil(lambda: len(said) == 4)
    turns.ask(question(4))
    qtbot.waitUntil(lambda: len(said) == 5)
    assert said == [0, "of 1", 2, 3, 4]


def test_a_job_is_dropped_once_a_newer_question_comes(qtbot):
    latest = LatestOnly()
    answers, errors = [], []
    latest.answered.connect(answers.append)
    latest.failed.connect(errors.append)
    endless = Endless()
    latest.ask_job(endless.run)
    qtbot.waitUntil(lambda: endless.yielded > 3)

    def short():
        yield Progress("working", 0, 1, 0.0)
        return 7

    latest.ask_job(short)
    qtbot.waitUntil(lambda: answers == [7])
    # It was closed in the thread in which it ran.
    assert endless.closed_in is not None
    assert endless.closed_in is not threading.main_thread()

    def broken():
        yield Progress("working", 0, 1, 0.0)
        raise BlinkspotError("No.")

    latest.ask_job(broken)
    qtbot.waitUntil(lambda: len(errors) == 1)
    assert str(errors[0]) == "No."


def test_a_job_is_dropped_when_it_is_forgotten_and_when_its_owner_is_gone(qtbot):
    for end in (LatestOnly.forget, LatestOnly.deleteLater):
        latest, endless = LatestOnly(), Endless()
        latest.ask_job(endless.run)
        qtbot.waitUntil(lambda endless=endless: endless.yielded > 3)
        end(latest)
        qtbot.waitUntil(lambda endless=endless: endless.closed_in is not None)
    wait_for_workers(qtbot)


def test_a_forgotten_question_is_not_answered(qtbot):
    latest = LatestOnly()
    answers = []
    latest.answered.connect(answers.append)
    latest.ask(lambda: time.sleep(0.05))
    latest.forget()
    qtbot.waitUntil(lambda: not latest.busy)
    assert answers == []


def test_an_error_in_an_answer_is_handed_over(qtbot):
    latest = LatestOnly()
    errors = []
    latest.failed.connect(errors.append)
    latest.ask(lambda: 1 / 0)
    qtbot.waitUntil(lambda: bool(errors))
    assert isinstance(errors[0], ZeroDivisionError)
