"""From noisy frames to posterior means: noise model, networks, training, prediction."""

from blinkspot.denoising.denoiser import DenoisedChunk, Denoiser
from blinkspot.denoising.noise import ESTIMATES, Estimate
from blinkspot.denoising.output import Units, denoise_to_file
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.denoising.training import Training, TrainingProgress, train

__all__ = [
    "ESTIMATES",
    "DenoisedChunk",
    "Denoiser",
    "Estimate",
    "Training",
    "TrainingProgress",
    "TrainingSettings",
    "Units",
    "denoise_to_file",
    "train",
]
