"""Photons held out: false molecules and errors on any movie, without its truth."""

from blinkspot.evaluation.held_out.check import check_held_out
from blinkspot.evaluation.held_out.pictures import Prediction
from blinkspot.evaluation.held_out.result import Estimate, HeldOut, HeldOutRoute
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.held_out.words import picture_sentence, sentence

__all__ = [
    "Estimate",
    "HeldOut",
    "HeldOutRoute",
    "HeldOutSettings",
    "Prediction",
    "check_held_out",
    "picture_sentence",
    "sentence",
]
