"""What a denoiser leaves over: white noise, if it is right; the spots it lost, if it is not."""

from blinkspot.evaluation.residuals.check import check_residuals
from blinkspot.evaluation.residuals.result import Residuals
from blinkspot.evaluation.residuals.settings import ResidualSettings
from blinkspot.evaluation.residuals.spots import SpotExcess

__all__ = ["ResidualSettings", "Residuals", "SpotExcess", "check_residuals"]
