"""Open napari with every dock of the installed plugin and a movie, and close it again; for .ci/wheel."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import napari
import npe2
import numpy as np
import tifffile
from qtpy.QtWidgets import QApplication

import blinkspot


def main() -> None:
    """Fail where a dock does not open, or the movie is opened by something else."""
    place = Path(blinkspot.__file__).resolve()
    assert place.is_relative_to(Path(sys.prefix).resolve()), f"{place} is not the installed package"
    assert (place.parent / "py.typed").is_file()
    plugins = npe2.PluginManager.instance()
    plugins.discover()
    manifest = plugins.get_manifest("napari-blinkspot")
    docks = [widget.display_name for widget in manifest.contributions.widgets or ()]
    assert docks == ["Train", "Denoise", "Localize", "Molecules", "Report"], docks
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.tif"
        frames = np.random.default_rng(0).poisson(120, (30, 64, 64)).astype(np.uint16)
        tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "TYX"})
        viewer = napari.Viewer(show=True)
        (layer,) = viewer.open(path, plugin="napari-blinkspot")
        assert layer.data.shape == frames.shape
        for name in docks:
            _, widget = viewer.window.add_plugin_dock_widget("napari-blinkspot", name)
            for _ in range(20):
                QApplication.processEvents()
            assert widget.isVisible() or widget.parent() is not None, name
            print(f"{name}: opened", flush=True)
        viewer.close()
    print(f"napari {napari.__version__}, blinkspot from {place.parent}")


if __name__ == "__main__":
    main()
