"""ThunderSTORM's own analysis, reproduced: for comparison with results that were made with it.

Its behaviour is described in Ovesny et al. 2014 (Bioinformatics 30:2389) with its supplementary note, and can
be read in its public source, of which nothing is in here. Our own pipeline
(:mod:`blinkspot.localization.localizer`) differs from it on purpose.

A frame goes through three steps: :func:`base_level_removed`, :func:`find_candidates`, :func:`fit_candidates`;
:func:`localize_frame` does them all.
"""

from blinkspot.localization.thunderstorm.candidates import find_candidates
from blinkspot.localization.thunderstorm.frame import base_level_removed, fit_candidates, localize_frame
from blinkspot.localization.thunderstorm.settings import ThunderstormFit, ThunderstormSettings
from blinkspot.localization.thunderstorm.uncertainty import position_uncertainty

__all__ = [
    "ThunderstormFit",
    "ThunderstormSettings",
    "base_level_removed",
    "find_candidates",
    "fit_candidates",
    "localize_frame",
    "position_uncertainty",
]
