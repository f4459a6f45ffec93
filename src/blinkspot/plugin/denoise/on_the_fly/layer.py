"""Adding a layer whose frames are denoised when one looks at them."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image

from blinkspot.movies.stack import Stack
from blinkspot.plugin.comparing.of_viewer import OfViewer
from blinkspot.plugin.denoise.denoised_layer import Request, add_denoised
from blinkspot.plugin.denoise.on_the_fly.contrast import keep_contrast
from blinkspot.plugin.denoise.on_the_fly.looking import FrameComputer
from blinkspot.plugin.denoise.on_the_fly.steps import Prepared
from blinkspot.plugin.denoise.on_the_fly.window_frames import WindowFrames
from blinkspot.plugin.session import Session


def add_on_the_fly(viewer: ViewerModel, session: Session, request: Request, prepared: Prepared) -> Image:
    """Add the layer; see :func:`.add_denoised`."""
    frames = WindowFrames(prepared.frames)
    FrameComputer(OfViewer(viewer), session, frames)
    layer = add_denoised(viewer, session, request, frames, Stack(prepared.first[None]))
    keep_contrast(layer)
    return layer
