"""What is computed of noisy and denoised frames in another thread. Nothing here knows Qt or a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blinkspot.camera import FloatArray
from blinkspot.movies.frame_comparison import standardised, symmetric_limit
from blinkspot.movies.lazy_frames import LazyFrames
from blinkspot.movies.stack import Stack

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


def limit_of_frame(frames: LazyFrames, index: int) -> float:
    """Return a display limit, the same on both sides of 0, for frames like that one."""
    return symmetric_limit(frames[index])


@dataclass(frozen=True)
class FrameResidual:
    """The residual (Y, X) of one frame, in standard deviations."""

    index: int
    frame: FloatArray


def residual_by_model(denoiser: Denoiser, movie: Stack, index: int) -> FrameResidual:
    """Compare each count of a frame with what the model says of it from the other pixels."""
    chunks = (chunk for chunk in denoiser.predict(movie, index, index + 1) if len(chunk.mean))
    expected = next(chunks)
    counts = denoiser.noise_camera.counts(movie.frame(index))
    return FrameResidual(index, standardised(counts, expected.mean[0], expected.variance[0]))
