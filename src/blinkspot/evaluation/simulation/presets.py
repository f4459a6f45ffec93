"""Simulations by name.

``yfp3`` and ``yfp4`` follow the two YFP data sets that the denoising paper simulates, at 50, 100 and 150
background photons; ``low120`` and ``low-light`` are dim, where noise decides what is found. ``dna-paint``
comes back to the docking sites of DNA origami; in ``crowded`` molecules overlap. Those that
begin with ``paper-`` are unevenly lit cells, found in noise as well as the paper's movies are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from blinkspot.camera import Camera
from blinkspot.evaluation.simulation.masks import Cell, GaussianProfile
from blinkspot.evaluation.simulation.settings import SimulationSettings
from blinkspot.evaluation.simulation.structures import Grids

_EM_150 = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=150.0)
_EM_100 = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=12.0, em_gain=100.0)
_SCMOS = Camera(pixel_size_nm=100.0, offset_adu=100.0, electrons_per_adu=0.46, read_noise_electrons=1.6)

_YFP3 = SimulationSettings(
    camera=_EM_150, fwhm_nm=(220.0, 320.0), photons=(700.0, 2500.0), background_photons=100.0
)
_YFP4 = SimulationSettings(
    camera=_EM_100,
    density_per_um2=0.16,
    fwhm_nm=(220.0, 360.0),
    photons=(500.0, 2200.0),
    background_photons=100.0,
)
_BACKGROUNDS = (50, 100, 150)

# A lit cell in the middle of a frame of 256 pixels, in whose dim outskirts noise decides what is found. Its
# radius and the width of the light were chosen so that the noisy movie scores as the paper's noisy row does
# (ThunderSTORM's weighted least squares at its default threshold; benchmarks/preset_calibration.py), and by
# nothing that is denoised.
_PAPER_CELLS = {"default": (0.255, 26.0), "yfp3": (0.26, 33.0), "yfp4": (0.19, 41.0)}


def _paper(name: str, settings: SimulationSettings) -> SimulationSettings:
    radius, fwhm_um = _PAPER_CELLS[name]
    return dataclasses.replace(
        settings, size_px=256, structure=Cell(seed=3, radius=radius), illumination=GaussianProfile(fwhm_um)
    )


PRESETS: Mapping[str, SimulationSettings] = MappingProxyType(
    {
        "default": SimulationSettings(),
        "yfp3": _YFP3,
        "yfp4": _YFP4,
        **{
            f"{name}-bg{photons}": dataclasses.replace(settings, background_photons=float(photons))
            for name, settings in (("yfp3", _YFP3), ("yfp4", _YFP4))
            for photons in _BACKGROUNDS
        },
        "paper-default": _paper("default", SimulationSettings()),
        **{
            f"paper-{name}-bg{photons}": dataclasses.replace(
                _paper(name, settings), background_photons=float(photons)
            )
            for name, settings in (("yfp3", _YFP3), ("yfp4", _YFP4))
            for photons in _BACKGROUNDS
        },
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
        # 0.5 origami of 12 sites per square micrometre, most of them labelled; each shines 1 part in 101.
        "dna-paint": SimulationSettings(
            frames=2000,
            camera=_SCMOS,
            density_per_um2=0.05,
            fwhm_nm=(250.0, 300.0),
            photons=(1000.0, 3000.0),
            background_photons=80.0,
            mean_on_frames=4.0,
            mean_off_frames=400.0,
            structure=Grids(per_um2=0.5),
        ),
        "crowded": SimulationSettings(
            camera=_EM_150,
            density_per_um2=1.0,
            fwhm_nm=(250.0, 250.0),
            photons=(500.0, 1000.0),
            background_photons=10.0,
        ),
    }
)
"""Settings by name: ``default``, ``yfp3``, ``yfp4`` (also as ``yfp3-bg50``, ``-bg100``, ``-bg150``, and so
on), ``low120``, ``low-light`` (dim and blinking), ``dna-paint`` and ``crowded``."""
