"""The steps that the command line and the record know."""

from __future__ import annotations

from blinkspot.localization.processing.density import DensityFilter
from blinkspot.localization.processing.drift import DriftCorrection, FiducialCorrection, LoadedDrift
from blinkspot.localization.processing.duplicate_removal import DuplicateRemoval
from blinkspot.localization.processing.filtering import Filter
from blinkspot.localization.processing.merging import Merge, NumberMolecules
from blinkspot.localization.processing.region import Polygon, Rectangle
from blinkspot.localization.processing.step import Step
from blinkspot.localization.processing.uncertainty_formula import UncertaintyFormula

STEPS: dict[str, type[Step]] = {
    Filter.name: Filter,
    Rectangle.name: Rectangle,
    Polygon.name: Polygon,
    DuplicateRemoval.name: DuplicateRemoval,
    Merge.name: Merge,
    NumberMolecules.name: NumberMolecules,
    DensityFilter.name: DensityFilter,
    DriftCorrection.name: DriftCorrection,
    FiducialCorrection.name: FiducialCorrection,
    LoadedDrift.name: LoadedDrift,
    UncertaintyFormula.name: UncertaintyFormula,
}
