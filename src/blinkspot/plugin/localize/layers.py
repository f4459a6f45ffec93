"""Localizations in the viewer: points with the table as their features, and the super-resolved picture."""

from __future__ import annotations

from dataclasses import dataclass

from napari.components import ViewerModel
from napari.layers import Image, Points

from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, Place
from blinkspot.plugin.localize.localizing_steps import Localized
from blinkspot.plugin.localize.marking.looks import DENOISED_COLOUR, NOISY_COLOUR

_COLOURS = {"noisy": NOISY_COLOUR, "denoised": DENOISED_COLOUR}
_SIZE_PX = 1.5


@dataclass(frozen=True)
class LocalizationLayers:
    """The layers of one localization."""

    points: Points
    picture: Image


def add_localizations(
    viewer: ViewerModel, source: Image, place: Place, found: Localized
) -> LocalizationLayers:
    """Add what was found in a movie to the viewer, where the movie lies.

    The points lie in their frames, so only those of the frame shown are drawn.
    """
    picture = viewer.add_image(
        found.picture.data,
        name=f"{source.name} super-resolved ({found.of})",
        metadata={ROLE: "picture", PROVENANCE: found.table.provenance},
        # The movie's layer may have another scale than its camera's, and a place of its own.
        **{**found.picture.look, **place.of_picture(found.picture.pixels)},
    )
    points = viewer.add_points(
        found.points,
        features=found.table.features,
        name=f"{source.name} localizations ({found.of})",
        size=_SIZE_PX,
        face_color=_COLOURS[found.of],
        border_width=0,
        symbol="cross",
        metadata={ROLE: "localizations", PROVENANCE: found.table.provenance},
        **place.of_frames(0),
    )
    return LocalizationLayers(points, picture)
