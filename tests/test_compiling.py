"""What is compiled ahead is all that is needed: nothing else keeps a user waiting, who could not stop it."""

import subprocess
import sys

# In a process of its own: other tests call the compiled functions with arrays of their own.
SCRIPT = """
import dataclasses
import sys

import numpy as np
from numba.core.registry import CPUDispatcher

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.evaluation import PRESETS, simulate
from blinkspot.localization import Localizer, LocalizerSettings, compile_ahead
from blinkspot.localization.processing import DuplicateRemoval, Merge, duplicate_removal, merging
from blinkspot.progress import finish


def variants():
    return {
        (module.__name__, name, len(function.signatures))
        for module in list(sys.modules.values())
        for name, function in vars(module).items()
        if isinstance(function, CPUDispatcher) and module.__name__.startswith("blinkspot.localization")
    }


def compiled_anew(ahead, work):
    ahead()
    before = variants()
    result = finish(work)
    print(sorted(variants() - before))
    return result


settings = dataclasses.replace(PRESETS["crowded"], frames=8, size_px=32, seed=2)
movie = np.concatenate([chunk.frames for chunk in simulate(settings)])
movie.setflags(write=False)
maps = CameraMaps(*(np.full((32, 32), each, np.float32) for each in (100.0, 3.0, 2.0)))
flat, uneven = settings.camera, Camera(pixel_size_nm=100.0, maps=maps)
for camera, how in (
    (flat, LocalizerSettings(preset="thunderstorm")),
    *((camera, LocalizerSettings(most_emitters=most)) for camera in (flat, uneven) for most in (1, 2)),
):
    table = compiled_anew(lambda: compile_ahead._compile(how), Localizer(camera, how).localize(movie))
assert len(table) > 20
compiled_anew(duplicate_removal._compile, DuplicateRemoval().apply(table))
merged = compiled_anew(merging._compile, Merge(radius_nm=60.0).apply(table))
compiled_anew(merging._compile, Merge(radius_nm=90.0).apply(merged))
"""


def test_nothing_is_compiled_that_was_not_compiled_ahead():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n") == ["[]"] * 8 + [""]
