"""What the plugin's tests share: small movies, a model, and the hands that drive a window."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton

from blinkspot.camera import Camera
from blinkspot.denoising import Training, TrainingSettings
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.movies.stack import Stack
from blinkspot.plugin.jobs.running import End
from blinkspot.progress import finish

CAMERA = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)


@lru_cache
def movie(frames: int = 40, size_px: int = 32, seed: int = 3, background_photons: float = 5.0) -> np.ndarray:
    """Return a simulated movie (T, Y, X) of rather bright molecules, uint16."""
    settings = SimulationSettings(
        frames=frames,
        size_px=size_px,
        camera=CAMERA,
        density_per_um2=0.4,
        fwhm_nm=(250.0, 250.0),
        photons=(300.0, 500.0),
        background_photons=background_photons,
        mean_on_frames=4.0,
        seed=seed,
    )
    return np.concatenate([chunk.frames for chunk in simulate(settings)])


@lru_cache
def model() -> Any:
    """Return a model trained for a moment."""
    torch.set_num_threads(1)
    settings = TrainingSettings(channels=8, epochs=2, crop_size_px=32, context_frames=1)
    return finish(Training(Stack(movie(60)), CAMERA, settings).run())


def add_movie(viewer: Any, dock: Any = None, **more: Any) -> Any:
    """Add a movie with a known camera to a viewer; 40 frames of 32 x 32 unless given."""
    from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
    from blinkspot.plugin.session import session_of

    data = more.pop("data", movie())
    layer = viewer.add_image(data, **{"name": "movie", "scale": (1.0, 0.1, 0.1), **more})
    record = CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.TYPED))
    session_of(viewer).cameras.set(layer, record)
    return layer


def open_dock(viewer: Any, name: str) -> Any:
    """Open one of the docks as the Plugins menu does."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-blinkspot", name)
    return dock


def click(qtbot: Any, button: QAbstractButton) -> None:
    """Press a button with the mouse."""
    assert button.isEnabled(), f"{button.text()!r} is disabled"
    # Where a style centres a small indicator at the left, as of a check box, that is where to press.
    position = button.rect().center()
    if button.sizeHint().width() < button.width():
        position.setX(button.sizeHint().width() // 2)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=position)


def wait_for_end(qtbot: Any, dock: Any, timeout: int = 30_000) -> None:
    """Wait until a dock's job has ended."""
    qtbot.waitUntil(lambda: not dock.runner.busy, timeout=timeout)


@contextlib.contextmanager
def stopping(qtbot: Any, dock: Any) -> Iterator[None]:
    """What is done in the block stops a dock's job; fails where the job comes to its own end."""
    with qtbot.waitSignal(dock.runner.ended, timeout=30_000) as ended:
        yield
    assert ended.args[0].end is End.STOPPED
    wait_for_end(qtbot, dock)


@contextlib.contextmanager
def notifications() -> Iterator[list[tuple[str, str]]]:
    """Collect the notifications of a block as (severity, message)."""
    collected: list[tuple[str, str]] = []

    def collect(notification: Any) -> None:
        collected.append((str(notification.severity), notification.message))

    notification_manager.notification_ready.connect(collect)
    try:
        yield collected
    finally:
        notification_manager.notification_ready.disconnect(collect)


def wait_for_workers(qtbot: Any, timeout: int = 5_000) -> None:
    """Wait until no worker thread runs any more; fails if one stays."""
    from napari.qt.threading import WorkerBase

    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=timeout)


def gated(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> threading.Event:
    """Have a function of a module wait for the event that is returned."""
    gate, original = threading.Event(), getattr(module, name)

    def once_open(*arguments: Any) -> Any:
        assert gate.wait(30)
        return original(*arguments)

    monkeypatch.setattr(module, name, once_open)
    return gate
