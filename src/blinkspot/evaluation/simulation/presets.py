"""Simulations by name.

``yfp3`` and ``yfp4`` follow the two YFP data sets that the denoising paper simulates, at 100 background
photons; ``low120`` and ``low-light`` are dim, where noise decides what is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from blinkspot.camera import Camera
from blinkspot.evaluation.simulation.settings import SimulationSettings

_EM_150 = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
_EM_100 = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=100.0)

PRESETS: Mapping[str, SimulationSettings] = MappingProxyType(
    {
        "default": SimulationSettings(),
        "yfp3": SimulationSettings(
            camera=_EM_150, fwhm_nm=(220.0, 320.0), photons=(700.0, 2500.0), background_photons=100.0
        ),
        "yfp4": SimulationSettings(
            camera=_EM_100,
            density_per_um2=0.16,
            fwhm_nm=(220.0, 360.0),
            photons=(500.0, 2200.0),
            background_photons=100.0,
        ),
        "low120": SimulationSettings(
            camera=_EM_150, fwhm_nm=(250.0, 250.0), photons=(120.0, 240.0), background_photons=5.0
        ),
        "low-light": SimulationSettings(
            camera=_EM_150,
            fwhm_nm=(250.0, 250.0),
            photons=(60.0, 120.0),
            background_photons=5.0,
            mean_on_frames=4.0,
        ),
    }
)
"""Settings by name: ``default``, ``yfp3``, ``yfp4``, ``low120`` and ``low-light`` (dim and blinking)."""
