"""How long a movie of 10 GB takes to open in napari, until its first frame is seen, and in how much memory.

The file is sparse (its pixels are zero but for its first frame), so it takes little disk; a second one has a
page for each frame. Each has a process of its own, in which a small movie was opened before, as in a window
that is in use. Steps: 60 frames at random places. Memory: growth of the peak of the resident memory,
in MB of 1e6 bytes. Needs a display.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
from support import print_table

SIDE_PX = 512
FLAVOURS = ("ImageJ-like, one block", "a page per frame")


def make_movie(path: Path, size_gb: float, flavour: str) -> None:
    """Write a uint16 movie of zeros, with a picture in its first frame."""
    n_frames = round(size_gb * 1e9 / (2 * SIDE_PX**2))
    first = np.random.default_rng(0).poisson(200.0, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    if flavour == FLAVOURS[0]:
        # Only announced: nothing is written but the header, and the file grows as a hole.
        data = tifffile.memmap(path, shape=(n_frames, SIDE_PX, SIDE_PX), dtype=np.uint16, bigtiff=True)
        data[0] = first
        data.flush()
        return
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for index in range(n_frames):
            frame = first if index == 0 else np.full((SIDE_PX, SIDE_PX), index % 100, np.uint16)
            writer.write(frame, contiguous=False, metadata=None)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measure(small: Path, path: Path) -> dict[str, float]:
    """Open a movie in a window and look at its frames."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True)
    for movie in (small, path):
        viewer.layers.clear()
        before_mb, started = peak_mb(), time.perf_counter()
        viewer.open(str(movie), plugin="napari-blinkspot")
        viewer.window._qt_viewer.canvas.native.repaint()
        QApplication.processEvents()
        first_s = time.perf_counter() - started
    n_frames = viewer.layers[0].data.shape[0]
    steps_ms = []
    for index in np.random.default_rng(1).integers(0, n_frames, 60):
        started = time.perf_counter()
        viewer.dims.set_current_step(0, int(index))
        QApplication.processEvents()
        steps_ms.append(1e3 * (time.perf_counter() - started))
    grown_mb = peak_mb() - before_mb
    viewer.close()
    return {
        "first_s": first_s,
        "median_ms": float(np.median(steps_ms)),
        "slowest_ms": max(steps_ms),
        "grown_mb": grown_mb,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-gb", type=float, default=10.0)
    parser.add_argument("--paged-gb", type=float, default=2.0, help="of the movie that is written in full")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.tif"
        make_movie(small, 0.01, FLAVOURS[0])
        for flavour, size_gb in zip(FLAVOURS, (options.size_gb, options.paged_gb), strict=True):
            path = Path(folder) / "movie.tif"
            make_movie(path, size_gb, flavour)
            command = [sys.executable, __file__, "--measure", str(small), str(path)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append((flavour, size_gb, *found.values()))
            path.unlink()
    print_table(("movie", "GB", "first frame s", "step ms, median", "slowest", "memory MB"), rows)


if __name__ == "__main__":
    main()
