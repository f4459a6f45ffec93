"""What the tests that abuse docks at random share."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from napari.layers import Image
from test_plugin_helpers import wait_for_end, wait_for_workers

Action = Callable[[], Any]


def actions_on(viewer: Any, docks: list[Any], choose: random.Random) -> list[Action]:
    """Return what may be done to any layers, to the viewer, and to whatever docks are busy."""

    def any_layer(act: Callable[[Any], Any]) -> None:
        if len(viewer.layers):
            act(choose.choice(list(viewer.layers)))

    def cut(layer: Any) -> None:
        # An image of no frame is too little for napari itself.
        layer.data = layer.data[: max(choose.choice([0, 1, 2, 15]), isinstance(layer, Image))]

    return [
        lambda: any_layer(viewer.layers.remove),
        lambda: any_layer(lambda layer: setattr(layer, "name", f"layer {choose.randrange(100)}")),
        lambda: any_layer(cut),
        lambda: any_layer(lambda layer: setattr(layer, "visible", not layer.visible)),
        lambda: any_layer(lambda layer: setattr(layer, "scale", [choose.uniform(0.1, 3)] * layer.ndim)),
        lambda: viewer.dims.transpose(),
        lambda: viewer.dims.set_current_step(0, choose.randrange(40)),
        lambda: setattr(viewer.dims, "ndisplay", choose.choice([2, 3])),
        lambda: setattr(viewer, "theme", choose.choice(["light", "dark"])),
        lambda: choose.choice(docks).job_bar.stop_button.click(),
    ]


def choose_any(box: Any, choose: random.Random) -> None:
    """Choose any entry of a combo box, as far as a user could."""
    if box.isEnabled() and box.count():
        box.setCurrentIndex(choose.randrange(box.count()))


def abuse(qtbot: Any, docks: list[Any], actions: list[Action], times: int, choose: random.Random) -> None:
    """Do so many actions, most before the one before has come to an end; then stop what runs."""
    for _ in range(times):
        choose.choice(actions)()
        qtbot.wait(choose.choice([0, 0, 10, 40]))
    stop_all(qtbot, docks)


def stop_all(qtbot: Any, docks: list[Any]) -> None:
    """Stop the jobs of docks, and wait until nothing runs any more."""
    for dock in docks:
        dock.runner.stop()
    for dock in docks:
        wait_for_end(qtbot, dock)
    wait_for_workers(qtbot, timeout=20_000)
