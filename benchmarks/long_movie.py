"""Peak memory of training and denoising on a very long movie, made up as it is read.

The movie has 100,000 frames of 512 x 512 pixels (52 GB) by default; no file holds it. Training chooses from
all of it; of the denoising, which does the same to every frame, the first frames are run.
"""

import argparse
import resource
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from support import EM_150, print_table, truth_movie

from blinkspot import Training, TrainingSettings, as_stack
from blinkspot.cli.console import run

LIMIT_GB = 2.0


@dataclass(frozen=True)
class MadeUp:
    """Frames of a small movie side by side, over and over; an array that is read lazily."""

    small: NDArray[np.uint16]
    shape: tuple[int, int, int]

    @property
    def dtype(self) -> np.dtype[np.uint16]:
        """Of a camera."""
        return self.small.dtype

    @property
    def ndim(self) -> int:
        """Time, y, x."""
        return 3

    def __getitem__(self, key: object) -> NDArray[np.uint16]:
        frames, *rest = key if isinstance(key, tuple) else (key,)
        numbers = np.arange(self.shape[0])[frames] % len(self.small)
        tiles = [-(-size // own) for size, own in zip(self.shape[1:], self.small.shape[1:], strict=True)]
        whole = np.tile(self.small[numbers], (*[1] * np.ndim(numbers), *tiles))
        whole = whole[..., : self.shape[1], : self.shape[2]]
        return whole[(slice(None),) * np.ndim(numbers) + tuple(rest)]


def peak_gb() -> float:
    """Return the largest memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    parser.add_argument("--denoise", type=int, default=1000, help="frames to denoise")
    options = parser.parse_args()
    small = truth_movie("blinking_low60").movie
    frames = small.frames(0, small.n_frames)
    movie = as_stack(MadeUp(frames, (options.frames, options.size, options.size)))
    rows = [("before", 0.0, peak_gb())]
    started = time.perf_counter()
    model = run(Training(movie, EM_150, TrainingSettings(minutes=options.minutes)).run())
    rows.append(("training", time.perf_counter() - started, peak_gb()))
    started = time.perf_counter()
    for first, last in ((0, options.denoise // 10), (options.denoise // 10, options.denoise)):
        for _ in model.denoise(movie, first, last):
            pass
        rows.append((f"denoising {last} frames", time.perf_counter() - started, peak_gb()))
    print_table(("after", "seconds", "peak GB"), rows)
    print(f"below {LIMIT_GB:g} GB: {'yes' if rows[-1][2] < LIMIT_GB else 'NO'}")


if __name__ == "__main__":
    main()
