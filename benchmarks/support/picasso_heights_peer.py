"""Picasso's heights from widths; runs in Picasso's own environment, started by ``astigmatism.py``.

Reads fitted widths (sx, sy, pixels), photons and background from an NPZ file, with the polynomials of a
calibration, and writes z and lpz, nm, to another.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import sys

import numpy as np
import pandas as pd
from picasso import zfit


def main() -> None:
    source, target, pixel_size_nm = sys.argv[1:]
    given = np.load(source)
    n = len(given["sx"])
    locs = pd.DataFrame({name: given[name].astype(np.float32) for name in ("sx", "sy", "photons", "bg")})
    locs = locs.assign(frame=0, x=5.0, y=5.0, lpx=0.1, lpy=0.1, row=np.arange(n))
    calibration = {
        "X Coefficients": given["cx"].tolist(),
        "Y Coefficients": given["cy"].tolist(),
        "Magnification factor": 1.0,
    }
    info = [{"Frames": 1, "Width": 10, "Height": 10, "Pixelsize": float(pixel_size_nm)}]
    found, _ = zfit.zfit(locs, info, calibration=calibration, fitting_method="gaussmle", filter=0)
    z, lpz = np.full((2, n), np.nan)
    z[found["row"]], lpz[found["row"]] = found["z"], found["lpz"]
    np.savez(target, z=z, lpz=lpz)


if __name__ == "__main__":
    main()
