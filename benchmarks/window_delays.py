"""How long napari's window is held up while jobs run and the user moves the slider.

A timer of 5 ms tells how late it comes: what a user feels. Each row is some seconds of the same window: at
rest, while its slider is moved 20 times a second, and both again while a model is trained, a movie denoised
and its molecules localized. The first three rows are of napari before any of our docks is open. Run it on a
screen or under xvfb-run; where there is no graphics card, drawing the canvas takes the processor, and more of
it the larger the window.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import Any

import napari
import numpy as np
from support.window_delays import Delays, wait

from blinkspot.camera import Camera
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.launch import PLUGIN
from blinkspot.plugin.session import session_of

DOCKS = ("Train", "Denoise", "Localize")
WINDOW_PX = (1366, 740)
MOVES_PER_S = 20
CIRCLES_PER_FRAME = 10


def window(frames: int, size_px: int) -> tuple[Any, Any, Camera]:
    """Open a viewer with a simulated movie; return its layer and camera, too."""
    settings = dataclasses.replace(PRESETS["low120"], frames=frames, size_px=size_px)
    movie = np.concatenate([chunk.frames for chunk in simulate(settings)])
    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    viewer.window.resize(*WINDOW_PX)
    return viewer, viewer.add_image(movie, name="movie"), settings.camera


def open_docks(viewer: Any, layer: Any, camera: Camera) -> list[Any]:
    """Open the docks, and say what camera recorded the movie."""
    docks = [viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)[1] for name in DOCKS]
    record = CameraRecord().with_values(camera.as_dict(), Source(Origin.TYPED))
    session_of(viewer).cameras.set(layer, record)
    return docks


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-px", type=int, default=256, help="height and width of the frames")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each row")
    options = parser.parse_args()
    viewer, layer, camera = window(options.frames, options.size_px)
    random = np.random.default_rng(0)

    def rest() -> None:
        wait(options.seconds)

    def scrub() -> None:
        for _ in range(round(options.seconds * MOVES_PER_S)):
            viewer.dims.set_current_step(0, int(random.integers(options.frames)))
            wait(1.0 / MOVES_PER_S)

    def wait_for(dock: Any) -> None:
        while dock.runner.busy:
            wait(0.1)

    def places() -> Any:
        per_frame = random.uniform(0, options.size_px, (options.frames, CIRCLES_PER_FRAME, 2))
        frame = np.repeat(np.arange(options.frames), CIRCLES_PER_FRAME)
        return np.column_stack([frame, per_frame.reshape(-1, 2)])

    def alone() -> None:
        delays.of("napari alone, slider moved", scrub)
        second = viewer.add_image(layer.data, name="second")
        viewer.canvas.grid.enabled = True
        wait(2.0)
        delays.of("napari alone, side by side, slider moved", scrub)
        viewer.canvas.grid.enabled = False
        circles = [viewer.add_points(places(), ndim=3, face_color="transparent") for _ in range(2)]
        wait(2.0)
        delays.of("napari alone, two with circles, slider moved", scrub)
        for added in (second, *circles):
            viewer.layers.remove(added)

    wait(2.0)
    delays = Delays()
    delays.head(f"{options.frames} frames of {options.size_px} x {options.size_px}, {os.cpu_count()} cores")
    alone()
    train, denoise, localize = open_docks(viewer, layer, camera)
    wait(8.0)  # the camera is measured
    delays.of("at rest", rest)
    delays.of("slider moved", scrub)

    train.options.extent.setCurrentText("minutes")
    train.options.minutes.setValue(3.0 * options.seconds / 60.0 + 0.5)
    delays.of(
        "training: started, until its first loss", train.start_button.click, lambda: train.loss_plot.points
    )
    delays.of("training", rest)
    delays.of("training, slider moved", scrub)
    train.compare.button.click()
    delays.of("training, side by side, slider moved", scrub)
    train.compare.button.click()
    delays.of("training: to its end", lambda: None, lambda: not train.runner.busy)

    delays.of("denoising, slider moved", lambda: (denoise.run_button.click(), scrub()))
    wait_for(denoise)
    localize.preview.box.click()
    wait(20.0)  # compiled once
    delays.of("preview of molecules, slider moved", scrub)
    localize.preview.box.click()
    delays.of("localizing, slider moved", lambda: (localize.run_button.click(), scrub()))
    wait_for(localize)
    viewer.close()


if __name__ == "__main__":
    main()
