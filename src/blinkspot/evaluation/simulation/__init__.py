"""Movies of single molecules whose truth is known: settings, presets, masks, structures, files."""

from blinkspot.evaluation.simulation.field import Field
from blinkspot.evaluation.simulation.files import SimulatedFiles, simulate_to_files
from blinkspot.evaluation.simulation.generate import SimulatedFrames, expected_photons, simulate
from blinkspot.evaluation.simulation.mask_files import read_mask
from blinkspot.evaluation.simulation.masks import Cell, GaussianProfile, Mask, MaskImage, SmoothField
from blinkspot.evaluation.simulation.presets import PRESETS
from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.evaluation.simulation.structure import Structure
from blinkspot.evaluation.simulation.widths import FWHM_PER_SIGMA

__all__ = [
    "FWHM_PER_SIGMA",
    "PRESETS",
    "Cell",
    "Field",
    "GaussianProfile",
    "Mask",
    "MaskImage",
    "SimulatedFiles",
    "SimulatedFrames",
    "SimulationSettings",
    "SmoothField",
    "Structure",
    "expected_photons",
    "read_mask",
    "simulate",
    "simulate_to_files",
]
