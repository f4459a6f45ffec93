"""Picasso's drift corrections of one table; runs in Picasso's own environment, started by ``drift.py``.

Reads molecules from an NPZ file (frame, x_nm, y_nm, uncertainty_nm) and writes the drifts, nm, to another.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import contextlib
import io
import sys
import time

import numpy as np
import pandas as pd
from picasso import aim, postprocess

# Frames in a segment. AIM's default, 100, and shorter ones; RCC has no default.
RCC_SEGMENTS = (100, 50)
AIM_SEGMENTS = (100, 50, 20, 10)


def main() -> None:
    source, target, n_frames, size_px, pixel_size_nm = sys.argv[1:]
    info = [
        {
            "Frames": int(n_frames),
            "Width": int(size_px),
            "Height": int(size_px),
            "Pixelsize": float(pixel_size_nm),
        }
    ]
    given = np.load(source)
    scale = 1.0 / float(pixel_size_nm)
    locs = pd.DataFrame(
        {
            "frame": given["frame"].astype(np.int64),
            "x": given["x_nm"] * scale - 0.5,
            "y": given["y_nm"] * scale - 0.5,
            "lpx": given["uncertainty_nm"] * scale,
            "lpy": given["uncertainty_nm"] * scale,
        }
    )

    def rcc(table: pd.DataFrame, segment: int) -> pd.DataFrame:
        return postprocess.undrift(table, info, segment, display=False)[0]

    def by_aim(table: pd.DataFrame, segment: int) -> pd.DataFrame:
        return aim.aim(table, info, segment)[2]

    results = {}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        # What numba compiles on the first call is not counted.
        for method in (rcc, by_aim):
            with contextlib.suppress(Exception):
                method(locs.iloc[:: max(1, len(locs) // 20_000)].reset_index(drop=True), 100)
        for name, method, segments in (("RCC", rcc, RCC_SEGMENTS), ("AIM", by_aim, AIM_SEGMENTS)):
            for segment in segments:
                started = time.process_time()
                drift = method(locs, segment)
                seconds = time.process_time() - started
                curve = drift[["x", "y"]].to_numpy(dtype=np.float64)[: int(n_frames)] / scale
                results[f"{name} {segment}"] = curve
                results[f"{name} {segment} seconds"] = np.float64(seconds)
    np.savez(target, **results)


if __name__ == "__main__":
    main()
