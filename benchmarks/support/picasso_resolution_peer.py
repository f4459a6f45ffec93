"""Picasso's FRC and NeNA of some tables; runs in Picasso's own environment, started by ``resolution.py``.

Reads molecules from NPZ files (frame, x_nm, y_nm, uncertainty_nm, extent_nm, pixel_size_nm, seeds) and prints
a line of JSON for each: resolutions by several random splits, nm, the precision, nm, and processor seconds.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import contextlib
import io
import json
import sys
import time

import numpy as np
import pandas as pd
from picasso import postprocess


def main() -> None:
    for source in sys.argv[1:]:
        given = np.load(source)
        pixel_nm = float(given["pixel_size_nm"])
        size_px = float(given["extent_nm"]) / pixel_nm
        info = [{"Frames": int(given["frame"].max()) + 1, "Width": size_px, "Height": size_px}]
        info[0]["Pixelsize"] = pixel_nm
        locs = pd.DataFrame(
            {
                "frame": given["frame"].astype(np.int64),
                "x": given["x_nm"] / pixel_nm,
                "y": given["y_nm"] / pixel_nm,
                "lpx": given["uncertainty_nm"] / pixel_nm,
                "lpy": given["uncertainty_nm"] / pixel_nm,
            }
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            # What numba compiles on the first call is not counted.
            postprocess.nena(locs.iloc[:500].copy(), info)
            started = time.process_time()
            _, precision_px = postprocess.nena(locs.copy(), info)
            nena_s = time.process_time() - started
            viewport = ((0.0, 0.0), (size_px, size_px))
            started = time.process_time()
            resolutions = [
                postprocess.frc(locs.copy(), info, viewport, random_seed=int(seed))["resolution"]
                for seed in given["seeds"]
            ]
            frc_s = time.process_time() - started
        result = {"resolutions_nm": resolutions, "precision_nm": precision_px * pixel_nm}
        print(json.dumps({**result, "frc_s": frc_s, "nena_s": nena_s}), flush=True)


if __name__ == "__main__":
    main()
