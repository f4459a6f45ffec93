"""Denoise frames whose noise has a standard deviation of 1 by BM3D; runs in an environment of its own.

Reads ``stable.npy`` (T, Y, X) from a folder and writes ``denoised.npy`` into it.
"""

import sys
from pathlib import Path

import bm3d
import numpy as np


def main() -> None:
    folder = Path(sys.argv[1])
    frames = np.load(folder / "stable.npy")
    np.save(folder / "denoised.npy", np.array([bm3d.bm3d(frame, 1.0) for frame in frames], np.float32))


if __name__ == "__main__":
    main()
