"""From noisy frames to posterior means: noise model, networks, training, prediction."""

from blinkspot.denoising.denoised_frames import DenoisedFrames
from blinkspot.denoising.denoiser import DenoisedChunk, Denoiser
from blinkspot.denoising.frames import FrameSignals, signals_of_frames
from blinkspot.denoising.likeness import Likeness, likeness_of
from blinkspot.denoising.noise import ESTIMATES, LOSSES, Estimate, LossName
from blinkspot.denoising.output import DenoisedFile, Units, denoise_to_file
from blinkspot.denoising.settings import TrainingSettings
from blinkspot.denoising.training.course import Course, course_of
from blinkspot.denoising.training.training import Training, train
from blinkspot.denoising.training.training_state import TrainingProgress

__all__ = [
    "ESTIMATES",
    "LOSSES",
    "Course",
    "DenoisedChunk",
    "DenoisedFile",
    "DenoisedFrames",
    "Denoiser",
    "Estimate",
    "FrameSignals",
    "Likeness",
    "LossName",
    "Training",
    "TrainingProgress",
    "TrainingSettings",
    "Units",
    "course_of",
    "denoise_to_file",
    "likeness_of",
    "signals_of_frames",
    "train",
]
