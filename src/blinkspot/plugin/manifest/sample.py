"""A sample movie: dim molecules that blink, where denoising shows what it can do."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from blinkspot.movies.stack import Stack
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, movie_layer
from blinkspot.plugin.layers.table_shown import places_px
from blinkspot.plugin.localize.localizing_steps import Returning
from blinkspot.plugin.manifest.reader import LayerData

_FRAMES, _SIZE_PX = 200, 64


def sample_movie() -> list[LayerData]:
    """Simulate a small low-light movie of blinking molecules, with the truth as a hidden layer of points."""
    # Imported here, for it takes a second and napari imports this module to list the samples.
    from blinkspot.evaluation import PRESETS, simulate

    settings = dataclasses.replace(PRESETS["low-light"], frames=_FRAMES, size_px=_SIZE_PX)
    job = Returning(simulate(settings))
    frames = np.concatenate([chunk.frames for chunk in job])
    truth = job.result
    hints = settings.camera.as_dict()
    stack = Stack(frames, axes_guessed=False, camera_hints=hints, metadata={"provenance": truth.provenance})
    movie = movie_layer(stack, "blinking molecules")
    where: dict[str, Any] = {key: movie[1][key] for key in ("scale", "units", "axis_labels")}
    points = {
        "name": "true molecules",
        "features": truth.data,
        "size": 3.0,
        "face_color": "transparent",
        "border_color": "lime",
        "border_width": 0.1,
        "visible": False,
        "metadata": {ROLE: "truth", PROVENANCE: truth.provenance},
        **where,
    }
    # The last layer is the one that napari selects.
    return [(places_px(truth, settings.camera.pixel_size_nm), points, "points"), movie]
