"""After the fits: filters, duplicate removal, merging of blinks; each step recorded in the table.

A step is a frozen dataclass of settings that takes a table to another (:class:`Step`); :func:`process`
applies several, :func:`recorded_steps` builds again those that a table has gone through.
"""

from blinkspot.localization.processing.density import DensityFilter
from blinkspot.localization.processing.duplicate_removal import DuplicateRemoval
from blinkspot.localization.processing.filtering import Filter
from blinkspot.localization.processing.history import make_step, process, recorded_steps
from blinkspot.localization.processing.merging import Merge, NumberMolecules
from blinkspot.localization.processing.region import Polygon, Rectangle
from blinkspot.localization.processing.registry import STEPS
from blinkspot.localization.processing.step import Step
from blinkspot.localization.processing.uncertainty_formula import UncertaintyFormula

__all__ = [
    "STEPS",
    "DensityFilter",
    "DuplicateRemoval",
    "Filter",
    "Merge",
    "NumberMolecules",
    "Polygon",
    "Rectangle",
    "Step",
    "UncertaintyFormula",
    "make_step",
    "process",
    "recorded_steps",
]
