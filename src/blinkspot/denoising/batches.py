"""Crops for training and validation."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from blinkspot.camera import Camera
from blinkspot.denoising.context import neighbours
from blinkspot.denoising.frames import ChosenFrames, IndexArray
from blinkspot.denoising.settings import TrainingSettings

# Validation looks at about this many pixels, so that it costs little beside training.
_VALIDATION_PIXELS = 64 * 64 * 128


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
        Crop size, batch size, context.
    """

    def __init__(
        self, chosen: ChosenFrames, n_frames: int, camera: Camera, settings: TrainingSettings
    ) -> None:
        self._chosen = chosen
        self._n_frames = n_frames
        self._camera = camera
        self._settings = settings
        self.size = min(settings.crop_size_px, *chosen.pixels.shape[1:])

    @property
    def steps_per_epoch(self) -> int:
        """Batches that hold as many pixels as the training frames."""
        _, height, width = self._chosen.pixels.shape
        pixels = len(self._chosen.training) * height * width
        return max(1, int(pixels / (self._settings.batch_size * self.size**2) + 0.5))

    def training_batch(self, random: np.random.Generator) -> Tensor:
        """Return random training crops, turned and mirrored: ``(batch, 2c + 1, size, size)`` counts."""
        crops = self._crops(self._chosen.training, self._settings.batch_size, random)
        turns, mirrored = random.integers(4), random.integers(2)
        crops = torch.rot90(crops, int(turns), (2, 3))
        return crops.flip(3) if mirrored else crops

    def validation_batches(self, random: np.random.Generator) -> list[Tensor]:
        """Return a fixed set of crops of the validation frames, in batches."""
        n_crops = max(self._settings.batch_size, _VALIDATION_PIXELS // self.size**2)
        crops = self._crops(self._chosen.validation, n_crops, random)
        return list(torch.split(crops, self._settings.batch_size))

    def _crops(self, frames: IndexArray, n_crops: int, random: np.random.Generator) -> Tensor:
        _, height, width = self._chosen.pixels.shape
        picked = random.choice(frames, n_crops)
        tops = random.integers(0, height - self.size + 1, n_crops)
        lefts = random.integers(0, width - self.size + 1, n_crops)
        around = neighbours(picked, self._n_frames, self._settings.context_frames)
        crops = np.stack(
            [
                self._chosen.pixels[
                    [self._chosen.rows[int(frame)] for frame in group],
                    top : top + self.size,
                    left : left + self.size,
                ]
                for group, top, left in zip(around, tops, lefts, strict=True)
            ]
        )
        return torch.from_numpy(self._camera.counts(crops))
