"""Crops for training and validation.

A batch of crops is a tensor ``(n, 2c + 1, Y, X)`` of counts: frames with their context. Where the camera has
maps, one more channel holds the read variance, in counts, of each pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.denoising.context import neighbours
from blinkspot.denoising.frames import ChosenFrames, IndexArray
from blinkspot.denoising.settings import TrainingSettings

# Validation looks at no more than about this many pixels, so that it costs little beside training.
_VALIDATION_PIXELS = 64 * 64 * 128
# Crops at random, four times as many as lie side by side, see more than 8 in 10 pixels of a small movie: more
# would be mostly repetition.
_TIMES_INDEPENDENT = 4.0
LARGEST_PART_PX = 512
_PIXELS_AT_ONCE = 2**15  # so many take a small part of a second


class CropSource:
    """Cuts crops, with their context, out of the chosen frames.

    Parameters
    ----------
    chosen : ChosenFrames
        Frames in memory.
    n_frames : int
        Length of the movie.
    camera : Camera
        Turns ADU into counts.
    settings : TrainingSettings
        Crop size, batch size.
    context_frames : int
        Neighbouring frames on each side.
    """

    def __init__(
        self,
        chosen: ChosenFrames,
        n_frames: int,
        camera: Camera,
        settings: TrainingSettings,
        context_frames: int,
    ) -> None:
        self._chosen = chosen
        self._n_frames = n_frames
        self._camera = camera
        self._batch_size = settings.batch_size
        self._context_frames = context_frames
        self.size = min(settings.crop_size_px, *chosen.pixels.shape[1:])

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold as many pixels as the training frames."""
        _, height, width = self._chosen.pixels.shape
        pixels = len(self._chosen.training) * height * width
        return max(1, int(pixels / (self._batch_size * self.size**2) + 0.5))

    @property
    def independent_crops(self) -> float:
        """Number of crops that the validation frames hold side by side."""
        _, height, width = self._chosen.pixels.shape
        return float(len(self._chosen.validation) * height * width / self.size**2)

    def training_batch(self, random: np.random.Generator) -> Tensor:
        """Return random training crops, turned and mirrored."""
        crops = self._crops(self._chosen.training, self._batch_size, random)
        turns, mirrored = random.integers(4), random.integers(2)
        crops = torch.rot90(crops, int(turns), (2, 3))
        return crops.flip(3) if mirrored else crops

    def validation_batches(self, random: np.random.Generator) -> list[Tensor]:
        """Return a fixed set of crops of the validation frames, in batches."""
        enough = int(np.ceil(_TIMES_INDEPENDENT * self.independent_crops))
        n_crops = max(self._batch_size, min(enough, _VALIDATION_PIXELS // self.size**2))
        crops = self._crops(self._chosen.validation, n_crops, random)
        return list(torch.split(crops, self._crops_at_once))

    def calibration_batches(self, random: np.random.Generator, most_pixels: int) -> Iterator[Tensor]:
        """Return whole frames, or large parts of large frames, up to a number of pixels."""
        frames = np.concatenate((self._chosen.training, self._chosen.validation))
        _, height, width = self._chosen.pixels.shape
        size = min(height, LARGEST_PART_PX), min(width, LARGEST_PART_PX)
        n_parts = max(1, min(most_pixels // (size[0] * size[1]), len(frames)))
        for frame in random.permutation(frames)[:n_parts]:
            yield self._crops(np.array([frame]), 1, random, size)

    @property
    def _crops_at_once(self) -> int:
        return max(1, int(_PIXELS_AT_ONCE // self.size**2))

    def _crops(
        self,
        frames: IndexArray,
        n_crops: int,
        random: np.random.Generator,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        _, height, width = self._chosen.pixels.shape
        crop_height, crop_width = size or (self.size, self.size)
        picked = random.choice(frames, n_crops)
        tops = random.integers(0, height - crop_height + 1, n_crops)
        lefts = random.integers(0, width - crop_width + 1, n_crops)
        around = neighbours(picked, self._n_frames, self._context_frames)
        crops = []
        for group, top, left in zip(around, tops, lefts, strict=True):
            rows = [self._chosen.rows[int(frame)] for frame in group]
            camera = self._camera.window(int(top), int(left), crop_height, crop_width)
            counts = camera.counts(
                self._chosen.pixels[rows, top : top + crop_height, left : left + crop_width]
            )
            if camera.maps is not None:
                counts = np.concatenate((counts, np.asarray(camera.read_counts)[None]))
            crops.append(counts)
        return torch.from_numpy(np.stack(crops))


def split_batch(batch: Tensor, context_frames: int) -> tuple[Tensor, Tensor | None]:
    """Return the counts of a batch, and the read variance ``(n, Y, X)`` where it has one."""
    n_frames = 2 * context_frames + 1
    if batch.shape[1] == n_frames:
        return batch, None
    return batch[:, :n_frames], batch[:, n_frames]


def light_of(batch: Tensor, context_frames: int) -> Tensor:
    """Return the counts of a batch less their read variance where that differs from pixel to pixel."""
    counts, read_counts = split_batch(batch, context_frames)
    return counts if read_counts is None else counts - read_counts[:, None]
