"""Movies of single molecules whose truth is known: settings, presets, masks, structures, files."""

from blinkspot.evaluation.simulation.field import Field
from blinkspot.evaluation.simulation.files import SimulatedFiles, simulate_to_files
from blinkspot.evaluation.simulation.generate import SimulatedFrames, expected_photons, simulate
from blinkspot.evaluation.simulation.mask_files import read_mask
from blinkspot.evaluation.simulation.masks import Cell, GaussianProfile, Mask, MaskImage, SmoothField
from blinkspot.evaluation.simulation.presets import PRESETS
from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.evaluation.simulation.structure import Structure
from blinkspot.evaluation.simulation.structures import (
    NAMED_STRUCTURES,
    Clusters,
    Filaments,
    Grids,
    Rings,
    Tubes,
)
from blinkspot.evaluation.simulation.widths import FWHM_PER_SIGMA

__all__ = [
    "FWHM_PER_SIGMA",
    "NAMED_STRUCTURES",
    "PRESETS",
    "Cell",
    "Clusters",
    "Field",
    "Filaments",
    "GaussianProfile",
    "Grids",
    "Mask",
    "MaskImage",
    "Rings",
    "SimulatedFiles",
    "SimulatedFrames",
    "SimulationSettings",
    "SmoothField",
    "Structure",
    "Tubes",
    "expected_photons",
    "read_mask",
    "simulate",
    "simulate_to_files",
]
