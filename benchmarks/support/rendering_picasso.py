"""Picasso as a peer: draws one picture in Picasso's own environment and reports what it took."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from picasso.render import render

sys.path.insert(0, str(Path(__file__).parent))

from rendering_setup import MOVIE_PIXEL_NM, PIXEL_NM, measured

METHODS = {"histogram": None, "gaussian": "gaussian"}


def main() -> None:
    folder, name, size, runs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with np.load(folder / "molecules.npz") as molecules:
        uncertainty_px = (molecules["uncertainty_nm"] / MOVIE_PIXEL_NM).astype(np.float32)
        # Picasso's pictures begin at 0 of its coordinates, so these are positions from the corner too.
        locs = pd.DataFrame(
            {
                "frame": molecules["frame"].astype(np.uint32),
                "x": (molecules["x_nm"] / MOVIE_PIXEL_NM).astype(np.float32),
                "y": (molecules["y_nm"] / MOVIE_PIXEL_NM).astype(np.float32),
                "lpx": uncertainty_px,
                "lpy": uncertainty_px,
            }
        )
    movie_px = size * PIXEL_NM / MOVIE_PIXEL_NM
    info = [{"Pixelsize": MOVIE_PIXEL_NM, "Height": movie_px, "Width": movie_px}]
    (_, picture), report = measured(
        lambda: render(locs, info, disp_px_size=PIXEL_NM, blur_method=METHODS[name]), runs
    )
    np.save(folder / f"{name}.npy", picture)
    print(report)


if __name__ == "__main__":
    main()
