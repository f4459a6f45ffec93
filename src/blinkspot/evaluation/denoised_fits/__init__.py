"""True uncertainties of fits on denoised movies.

Denoised pixels are no Poisson counts, and with context frames they hold photons of other frames, so what a
fit on them reports is not how far off it is. How far off fits are is measured: on a simulated movie that
matches the one at hand, denoised by the same model and localized with the same settings, where the truth is
known.
"""

from blinkspot.evaluation.denoised_fits.calibrating import calibrate_uncertainties, check_can_calibrate
from blinkspot.evaluation.denoised_fits.error_law import ErrorLaw
from blinkspot.evaluation.denoised_fits.simulated_errors import TooFewMolecules

__all__ = ["ErrorLaw", "TooFewMolecules", "calibrate_uncertainties", "check_can_calibrate"]
