"""Make the pictures of the documentation again, by really running the plugin.

    xvfb-run -a -s "-screen 0 1920x1080x24" python docs/make_screenshots.py [MOVIE] [--camera FILE.toml]

opens napari with MOVIE (the sample unless given), trains for some minutes, denoises, localizes, and writes
``docs/images/*``. Pictures that are there already are replaced.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog

from blinkspot.plugin.launch import open_window
from blinkspot.plugin.layers.napari_canvas import canvas_widget

WINDOW_PX = (1366, 740)
WIDE_WINDOW_PX = (1900, 800)
FILM_FRAMES, FILM_MS, FILM_PX = 40, 90, 480


class Photographer:
    """Drives the window and takes pictures of it."""

    def __init__(
        self, movie: Path | None, camera: Path | None, minutes: float, frame: int | None, folder: Path
    ) -> None:
        self.viewer, docks = open_window(movie)
        names = ("Train", "Denoise", "Localize", "Molecules", "Report")
        self.train, self.denoise, self.localize, self.molecules, self.report = (docks[name] for name in names)
        self.session = self.train.session
        self.viewer.window.resize(*WINDOW_PX)
        self.minutes = minutes
        self.folder = folder
        if camera is not None:
            self.train.camera.load(camera)
        if frame is not None:
            self.viewer.dims.set_current_step(0, frame)

    def wait(self, seconds: float) -> None:
        """Let the window live for some seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def wait_for(self, dock: Any) -> None:
        """Wait until a dock has done its job, and say how it went."""
        self.wait(0.3)
        while dock.runner.busy:
            self.wait(0.2)
        print(f"{dock.title}: {dock.job_bar.status.text()}")

    def shoot(self, name: str) -> None:
        """Take a picture of the window."""
        for child in self.train.window().findChildren(QDialog):
            if type(child).__name__ == "NapariQtNotification":
                child.close()
        self.wait(0.8)
        self.viewer.screenshot(str(self.folder / f"{name}.png"), canvas_only=False, flash=False)
        print(f"wrote {name}.png")

    def run(self) -> None:
        """Walk through the docks."""
        self.wait(4)  # the camera is being estimated
        self.opening()
        self.training()
        self.denoising()
        self.comparing()
        self.localizing()
        self.processing()
        self.reporting()
        self.three_docks()
        self.viewer.close()

    def opening(self) -> None:
        """Show the movie as it was opened: what its file and its noise tell, and whether denoising helps."""
        dock = self.train
        dock.parent().raise_()
        dock.camera.plot.button.click()
        dock.movie_line.outlook.button.click()
        self.wait(12)
        self.shoot("opened")
        dock.camera.plot.button.click()
        for name in self.session.cameras.record(self.denoise.movies.layer).unknown:
            QTest.keyClick(dock.camera.fields[name], Qt.Key.Key_Return)

    def training(self) -> None:
        """Train, with noisy and denoised side by side."""
        dock = self.train
        dock.parent().raise_()
        dock.options.extent.setCurrentText("minutes")
        dock.options.minutes.setValue(self.minutes)
        dock.start_button.click()
        begun = time.monotonic()
        while dock.runner.busy and not dock.loss_plot.points:
            self.wait(0.2)
        self.wait(1)
        dock.compare.button.click()
        while dock.runner.busy and time.monotonic() - begun < 0.6 * 60 * self.minutes:
            self.wait(0.2)
        self.shoot("train")
        self.wait_for(dock)
        dock.compare.button.click()

    def denoising(self) -> None:
        """Denoise the whole movie and set it beside the noisy one."""
        dock = self.denoise
        dock.parent().raise_()
        dock.run_button.click()
        self.wait_for(dock)
        dock.compare.button.click()
        self.shoot("denoise")

    def comparing(self) -> None:
        """Draw a curtain, filmed and still; show what is left over, and the light along a line."""
        ways = self.denoise.compare.actions_by_name
        ways["Scale bar"].trigger()
        ways["Curtain"].trigger()
        self.wait(1)
        self.film_curtain()
        self.shoot("curtain")
        before = set(self.viewer.layers)
        ways["Residual"].trigger()
        self.wait(4)
        self.viewer.reset_view()
        self.shoot("residual")
        for layer in set(self.viewer.layers) - before:
            self.viewer.layers.remove(layer)
        self.wait(1)
        self.zoom_to_molecule()
        ways["Line profile"].trigger()
        self.wait(3)
        self.shoot("profile")
        self.session.profile.close()
        self.wait(1)
        self.viewer.reset_view()
        ways["Scale bar"].trigger()
        ways["Side by side"].trigger()

    def zoom_to_molecule(self) -> None:
        """Have the brightest molecule of the frame's middle in the middle of the view, four times larger."""
        layer = self.denoise.denoised_pair(self.denoise.movies.layer)[1]
        frame = np.asarray(layer.data[self.viewer.dims.current_step[0]])
        height, width = frame.shape
        part = frame[height // 4 : -height // 4, width // 4 : -width // 4]
        y, x = np.unravel_index(np.argmax(part), part.shape)
        camera = self.viewer.scene.camera
        camera.center = layer.data_to_world((0, y + height // 4, x + width // 4))
        camera.zoom *= 4
        self.wait(1)

    def film_curtain(self) -> None:
        """Film the curtain as it is drawn from one side to the other and back."""
        canvas = canvas_widget(self.viewer)
        line = self.session.comparison.curtain.line
        size = canvas.width(), canvas.height()
        side = min(size)
        left = (size[0] - side) / 2
        frames = []
        for angle in np.linspace(0.0, 2.0 * np.pi, FILM_FRAMES, endpoint=False):
            line.move_to((left + side * (0.5 - 0.45 * float(np.cos(angle)))) / size[0])
            self.wait(0.1)
            window = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
            corner = canvas.mapTo(canvas.window(), QPoint(round(left), 0))
            box = (corner.x(), corner.y(), corner.x() + side, corner.y() + side)
            frames.append(window.crop(box).resize((FILM_PX, FILM_PX), Image.Resampling.LANCZOS))
        line.move_to(0.5)
        frames[0].save(
            self.folder / "curtain.webp", save_all=True, append_images=frames[1:], duration=FILM_MS, loop=0
        )
        print("wrote curtain.webp")

    def localizing(self) -> None:
        """Preview one frame, then localize all, noisy and denoised."""
        dock = self.localize
        dock.parent().raise_()
        dock.preview.box.click()
        while not dock.preview.counts.text().startswith("Frame"):
            self.wait(0.2)
        self.shoot("localize_preview")
        dock.target.setCurrentIndex(dock.target.count() - 1)
        dock.run_button.click()
        self.wait_for(dock)
        self.shoot("super_resolved")
        dock.compare.button.click()

    def processing(self) -> None:
        """Filter what was found in the denoised movie, merge it and draw it."""
        dock = self.molecules
        dock.parent().raise_()
        dock.tables.setCurrentIndex(dock.tables.count() - 1)
        self.wait(2)
        for layer in self.viewer.layers:
            layer.visible = layer is dock.tables.layer
        dock.steps.choose("merge")
        dock.apply_button.click()
        self.wait_for(dock)
        self.wait(1)
        low, high = dock.filter.plot.histogram.ends
        dock.filter.plot.region.setRegion((low + 0.02 * (high - low), low + 0.6 * (high - low)))
        self.wait(1)
        dock.draw_button.click()
        self.wait_for(dock)
        self.viewer.reset_view()
        self.shoot("molecules")
        dock.table_button.click()
        self.wait(1.5)
        self.shoot("table")
        dock.table_button.click()

    def reporting(self) -> None:
        """Write a report into a folder that is thrown away."""
        dock = self.report
        dock.parent().raise_()
        with tempfile.TemporaryDirectory() as folder:
            dock.write(Path(folder) / "report")
            self.wait_for(dock)
            # Where the folder lies is nobody's business.
            dock.job_bar.say("The report is .../movie report/index.html.")
            self.shoot("report")

    def three_docks(self) -> None:
        """Show the docks that make a table beside one another."""
        window = self.viewer.window
        window.resize(*WIDE_WINDOW_PX)
        panels = [dock.parent() for dock in (self.train, self.denoise, self.localize)]
        main = panels[0].window()
        for panel in (*panels, self.molecules.parent(), self.report.parent()):
            main.removeDockWidget(panel)
        for panel in panels:
            main.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, panel)
            panel.show()
        for left, right in itertools.pairwise(panels):
            main.splitDockWidget(left, right, Qt.Orientation.Horizontal)
        main.resizeDocks(panels, [360] * 3, Qt.Orientation.Horizontal)
        self.localize.compare.button.click()
        self.localize.preview.box.click()
        self.wait(1)
        self.viewer.reset_view()
        self.shoot("three_docks")


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("movie", nargs="?", type=Path, help="a TIFF movie; the sample by default")
    parser.add_argument("--camera", type=Path, help="a camera file; what the movie tells by default")
    parser.add_argument("--minutes", type=float, default=4.0, help="how long to train")
    parser.add_argument("--frame", type=int, help="the frame to show; the middle one by default")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    get_settings().application.save_window_geometry = False
    Photographer(**vars(arguments)).run()


if __name__ == "__main__":
    main()
