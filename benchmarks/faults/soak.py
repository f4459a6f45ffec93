"""Tell whether hours of train, denoise and localize in one napari session leave its memory what it was.

Each round trains a model, denoises the movie, localizes both, all by the buttons of the docks, and removes
the layers that were made. Memory is the resident memory at the end of a round. The first rounds load
libraries and compile fits, and do not count. Each round's model is kept, as the session offers it again (0.2
MB). Messages are taken away, and counted: napari keeps them for as long as its window, closed or not (0.2
MB each).

Ends with status 1 where the last rounds need 5 % more than the first ones.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/faults/soak.py --hours 4
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari._qt.dialogs.qt_notification import NapariQtNotification

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.window_delays import wait

from blinkspot.evaluation import PRESETS, simulate
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.launch import PLUGIN
from blinkspot.plugin.session import session_of

DOCKS = ("Train", "Denoise", "Localize")
WARM_UP_ROUNDS = 3
MOST_GROWTH = 0.05
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def resident_mb() -> float:
    """Return the memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MB


class Window:
    """A viewer with docks and a simulated movie."""

    def __init__(self, frames: int, size_px: int, minutes: float) -> None:
        settings = dataclasses.replace(PRESETS["low120"], frames=frames, size_px=size_px)
        movie = np.concatenate([chunk.frames for chunk in simulate(settings)])
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(1366, 740)
        add = self.viewer.window.add_plugin_dock_widget
        self.docks: dict[str, Any] = {name: add(PLUGIN, name, tabify=True)[1] for name in DOCKS}
        self.messages = 0
        self.movie = self.viewer.add_image(movie, name="movie")
        record = CameraRecord().with_values(settings.camera.as_dict(), Source(Origin.TYPED))
        session_of(self.viewer).cameras.set(self.movie, record)
        train = self.docks["Train"]
        train.options.extent.setCurrentText("minutes")
        train.options.minutes.setValue(minutes)
        wait(5.0)

    def _do(self, dock: Any, button: Any) -> None:
        button.click()
        wait(0.3)
        while dock.runner.busy:
            wait(0.1)

    def round(self) -> int:
        """Do everything once; return how many layers were made, which are gone by then."""
        train, denoise, localize = (self.docks[name] for name in DOCKS)
        self._do(train, train.start_button)
        denoise.models.setCurrentIndex(denoise.models.count() - 1)
        self._do(denoise, denoise.run_button)
        localize.target.setCurrentIndex(localize.target.count() - 1)
        self._do(localize, localize.run_button)
        made = [layer for layer in self.viewer.layers if layer is not self.movie]
        for layer in made:
            self.viewer.layers.remove(layer)
        for message in self.viewer.window._qt_window.findChildren(NapariQtNotification):
            message.setParent(None)
            message.deleteLater()
            self.messages += 1
        n_layers = len(made)
        made.clear()
        gc.collect()
        wait(1.0)
        return n_layers


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size-px", type=int, default=128, help="height and width of the frames")
    parser.add_argument("--minutes", type=float, default=0.2, help="length of each training")
    options = parser.parse_args()
    window = Window(options.frames, options.size_px, options.minutes)
    begun = time.monotonic()
    memory_mb: list[float] = []
    print(f"{'round':>6} {'minutes':>8} {'layers':>7} {'threads':>8} {'objects':>9} {'memory, MB':>11}")
    while time.monotonic() - begun < 3600.0 * options.hours or len(memory_mb) < 2 * WARM_UP_ROUNDS + 2:
        n_layers = window.round()
        memory_mb.append(resident_mb())
        minutes = (time.monotonic() - begun) / 60.0
        print(
            f"{len(memory_mb):>6} {minutes:>8.1f} {n_layers:>7} {threading.active_count():>8} "
            f"{len(gc.get_objects()):>9} {memory_mb[-1]:>11.0f}",
            flush=True,
        )
    window.viewer.close()
    counted = np.array(memory_mb[WARM_UP_ROUNDS:])
    part = max(1, len(counted) // 4)
    first, last = np.median(counted[:part]), np.median(counted[-part:])
    growth = (last - first) / first
    print(
        f"after {WARM_UP_ROUNDS} rounds {first:.0f} MB, at the end {last:.0f} MB: {100 * growth:+.1f} %; "
        f"{(last - first) / (len(counted) - part):.2f} MB a round; {window.messages} messages were taken away"
    )
    return int(growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
