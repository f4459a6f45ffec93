"""Heights of molecules by astigmatism: calibrate by beads, then fit z as one of the parameters.

:func:`calibrate` makes an :class:`AstigmatismCalibration` of a bead stack; with it in the settings of a
:class:`~blinkspot.localization.Localizer`, tables have ``z_nm`` and ``uncertainty_z_nm``.
"""

from blinkspot.localization.astigmatism.calibrate import CalibrationSettings, calibrate
from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration, DefocusCurve
from blinkspot.localization.astigmatism.height import fit_heights
from blinkspot.localization.astigmatism.picture import draw_calibration

__all__ = [
    "AstigmatismCalibration",
    "CalibrationSettings",
    "DefocusCurve",
    "calibrate",
    "draw_calibration",
    "fit_heights",
]
