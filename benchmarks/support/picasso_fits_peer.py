"""Picasso's maximum likelihood fits of windows; runs in Picasso's own environment, started by a benchmark.

Reads windows (``spots``, shape (n, size, size), photons) and whether they are from an EM register from an NPZ
file, and writes each fitter's x, y, lpx and lpy, pixels, from the middle of the window, to another.
"""

# The environment is not ours: nothing of blinkspot may be imported here.
import sys
import warnings

import numpy as np
import pandas as pd
from picasso import gaussmle, localize


def main() -> None:
    source, target = sys.argv[1:]
    given = np.load(source)
    spots, em = given["spots"].astype(np.float32), bool(given["em"])
    n, size = spots.shape[:2]
    middle = size // 2
    places = pd.DataFrame({"frame": np.arange(n), "x": middle, "y": middle, "net_gradient": np.zeros(n)})
    fitted, likelihood, iterations, _ = localize.fit_spots_gauss(
        spots, mle=True, spherical=True, return_stats=True
    )
    now = localize.locs_from_fits_gauss(
        places, fitted, size, em, True, likelihood, iterations, spherical=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this fitter will go one day
        newton = gaussmle.gaussmle(spots, 0.001, 100, "sigma")
        before = gaussmle.locs_from_fits(places, *newton, size, spherical=True)
    results = {}
    for name, locs in (("now", now), ("newton", before)):
        locs = locs.sort_values("frame")
        results[name] = np.stack(
            [locs["x"] - middle, locs["y"] - middle, locs["lpx"], locs["lpy"]], axis=1
        ).astype(np.float64)
    np.savez(target, **results)


if __name__ == "__main__":
    main()
