"""How soon a frame that is denoised on the fly is seen, and how the window fares meanwhile.

Untrained networks of the default settings, with 0 and 2 context frames: weights do not change the time.

frame: one frame alone, `Denoiser.denoise_frame` on all cores, no window: the floor. seen: from the move of
the slider to a frame that was never looked at until it is drawn. again: the same of a frame that was. Then
the slider is moved from frame to frame, 30 times a second: delay is that of the event loop, computed and
dropped are blocks of frames that were begun. cpu is processor time of all threads, which other programs
disturb least, window that of the window's thread, and work what that thread does between two beats of the
timer that measures the delay; everything else is time on the clock. Needs a display; where that is drawn by
software, as under xvfb, drawing takes as long as computing, so look at --hidden, too:

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/on_the_fly.py
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from support import print_table

from blinkspot import Camera, Progress, Stack
from blinkspot.denoising import DenoisedFrames, Denoiser, TrainingSettings
from blinkspot.denoising.prior import InputScaling, PriorNetwork
from blinkspot.denoising.settings import resolved
from blinkspot.denoising.training.new_network import untrained_network
from blinkspot.provenance import provenance

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=1.0)
PHOTONS = 20.0
N_FRAMES = 120
MOVES_PER_S = 30.0


def untrained(context_frames: int) -> Denoiser:
    settings = dataclasses.replace(TrainingSettings(), context_frames=context_frames, blind_spot_radius_px=0)
    settings = resolved(settings)
    scaling = InputScaling(2.0 * PHOTONS**0.5, 1.0, PHOTONS)
    model = PriorNetwork(untrained_network(settings), scaling, settings.components)
    record = provenance("train", camera=CAMERA, settings={"context_frames": context_frames})
    return Denoiser(model.to(memory_format=torch.channels_last), settings.network, CAMERA, record)


class Counted:
    """Counts the blocks that are begun and those that are finished."""

    def __init__(self) -> None:
        self.begun = self.finished = 0
        original = DenoisedFrames.compute

        def compute(frames: DenoisedFrames, index: int) -> Generator[Progress, None, None]:
            self.begun += 1
            yield from original(frames, index)
            self.finished += 1

        DenoisedFrames.compute = compute  # type: ignore[method-assign]


def timed(action: Callable[[], object]) -> list[float]:
    """Return how long something takes, ms, and the processor time of all threads and of this one."""
    clocks = time.perf_counter, time.process_time, time.thread_time
    before = [clock() for clock in clocks]
    action()
    return [1e3 * (clock() - then) for clock, then in zip(clocks, before, strict=True)]


class Window:
    """A window with a movie that is denoised on the fly."""

    def __init__(self, show: bool) -> None:
        import napari
        from napari.qt.threading import WorkerBase
        from qtpy.QtCore import QEventLoop, QTimer
        from qtpy.QtWidgets import QApplication

        from blinkspot.plugin.session import session_of

        self.viewer = napari.Viewer(show=show)
        self.viewer.window.resize(1366, 740)
        _, self.dock = self.viewer.window.add_plugin_dock_widget("napari-blinkspot", "Denoise")
        self.session = session_of(self.viewer)
        self._loop, self._timer, self._app = QEventLoop, QTimer, QApplication.instance()
        self._workers = WorkerBase._worker_set
        self.counted = Counted()

    def wait(self, until: Callable[[], bool], often_ms: int = 5) -> None:
        """Let the window live until something holds."""
        loop, timer = self._loop(), self._timer()
        timer.timeout.connect(lambda: until() and loop.quit())
        timer.start(often_ms)
        loop.exec()
        timer.stop()

    def idle(self) -> bool:
        """Tell whether nothing is computed."""
        return not self._workers and not self.dock.runner.busy

    def open(self, movie: np.ndarray, denoiser: Denoiser) -> Any:
        """Show a movie and its denoised layer, computed with that model; return the layer."""
        self.viewer.layers.clear()
        source = self.viewer.add_image(movie, name="movie", scale=(1.0, 0.1, 0.1))
        self.dock.movies.choose(source)
        self.dock.models.setCurrentText(self.session.add_model("model", denoiser))
        self.dock.frames.setCurrentText("As you look")
        self.viewer.dims.set_current_step(0, 0)
        self.dock.run_button.click()
        self.wait(self.idle)
        return self.viewer.layers["movie denoised (as you look)"]

    def look(self, layer: Any, index: int) -> None:
        """Move the slider to a frame, and return when it is drawn."""
        loop = self._loop()
        is_there = lambda: bool(np.isfinite(layer._slice.image.raw[0, 0]))  # noqa: E731
        on_drawn = lambda event: is_there() and loop.quit()  # noqa: E731
        layer.events.set_data.connect(on_drawn)
        self.viewer.dims.set_current_step(0, index)
        if not is_there():
            loop.exec()
        layer.events.set_data.disconnect(on_drawn)
        self.viewer.window._qt_viewer.canvas.native.repaint()

    def scrub(self) -> np.ndarray:
        """Move through the movie; return delays of the event loop and work of its thread, ms: (2, n)."""
        delays: list[tuple[float, float]] = []
        state = {"at": 0, "due": 0.0, "worked": time.thread_time()}
        every_ms = 5

        def beat() -> None:
            now = time.perf_counter()
            worked = time.thread_time()
            delays.append((max(0.0, 1e3 * (now - state["due"])), 1e3 * (worked - state["worked"])))
            state["due"], state["worked"] = now + every_ms / 1e3, worked

        def move() -> None:
            state["at"] += 1
            self.viewer.dims.set_current_step(0, state["at"])

        pulse, mover = self._timer(), self._timer()
        for timer in (pulse, mover):
            timer.setTimerType(timer.timerType().PreciseTimer)
        pulse.timeout.connect(beat)
        mover.timeout.connect(move)
        state["due"] = time.perf_counter() + every_ms / 1e3
        pulse.start(every_ms)
        mover.start(round(1e3 / MOVES_PER_S))
        self.wait(lambda: state["at"] >= 100)
        mover.stop()
        pulse.stop()
        return np.array(delays).T


def measured(window: Window, context_frames: int, side: int, looks: int) -> tuple[object, ...]:
    random = np.random.default_rng(0)
    movie = (100 + random.poisson(PHOTONS, (N_FRAMES, side, side))).astype(np.uint16)
    denoiser = untrained(context_frames)
    denoiser.denoise_frame(Stack(movie), 0)
    alone = [timed(lambda: denoiser.denoise_frame(Stack(movie), 5)) for _ in range(looks)]
    layer = window.open(movie, denoiser)
    computed = layer.data.computed
    # Far from each other: none is computed ahead or with another one.
    step = max(4, len(computed.block_of(0)))
    places = [index for index in range(step, N_FRAMES, step) if computed.cached(index) is None][:looks]
    random.shuffle(places)
    seen, again = [], []
    for index in places:
        window.wait(window.idle)
        seen.append(timed(lambda at=index: window.look(layer, at)))
    window.wait(window.idle)
    for index in places:
        window.wait(window.idle)
        again.append(timed(lambda at=index: window.look(layer, at)))
    layer = window.open(movie, denoiser)
    counted = window.counted
    counted.begun = counted.finished = 0
    delays, work = window.scrub()
    at_the_end = counted.begun, counted.finished
    window.wait(window.idle)
    assert np.isfinite(layer._slice.image.raw).all()
    alone, seen, again = (np.array(times).T for times in (alone, seen, again))
    figures = [
        *(np.median(alone[0]), alone[0].min(), np.median(alone[1])),
        *(*np.quantile(seen[0], (0.5, 0.95)), np.median(seen[1]), np.median(seen[2])),
        *(*np.quantile(again[0], (0.5, 0.95)), np.median(again[1])),
        *(*np.quantile(delays, (0.5, 0.99)), delays.max()),
        *(np.quantile(work, 0.99), work.max()),
    ]
    name = f"{side}, {context_frames}"
    return name, *np.round(figures).astype(int), at_the_end[1], at_the_end[0] - at_the_end[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512], help="pixels")
    parser.add_argument("--context", type=int, nargs="+", default=[0, 2], help="context frames")
    parser.add_argument("--looks", type=int, default=25, help="frames looked at")
    parser.add_argument("--hidden", action="store_true", help="draw nothing: without the graphics' time")
    options = parser.parse_args()
    window = Window(not options.hidden)
    rows = [
        measured(window, context_frames, side, options.looks)
        for side in options.sides
        for context_frames in options.context
    ]
    window.viewer.close()
    print(f"times in ms; {torch.get_num_threads()} cores")
    print_table(
        (
            "px, context",
            *("frame", "least", "cpu"),
            *("seen", "95 %", "cpu", "window"),
            *("again", "95 %", "cpu"),
            *("delay", "99 %", "most"),
            *("work 99 %", "most"),
            *("computed", "dropped"),
        ),
        rows,
    )


if __name__ == "__main__":
    main()
