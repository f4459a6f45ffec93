"""The layer that holds the molecules which are truly in a movie."""

from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Layer

from blinkspot.plugin.layers.layer_choice import LayerChoice
from blinkspot.plugin.layers.movies import PROVENANCE, stack_of, why_not_a_movie
from blinkspot.plugin.molecules.layers import holds_molecules


def truth_of(viewer: ViewerModel, movie: Layer | None) -> Layer | None:
    """Return the truth of a simulated movie, where it is in the viewer: the same simulation made both."""
    if movie is None or why_not_a_movie(movie) is not None:
        return None
    made_by = stack_of(movie).metadata.get("provenance")
    if not made_by:
        return None
    return next(
        (
            layer
            for layer in viewer.layers
            if holds_molecules(layer) and layer.metadata.get(PROVENANCE) == made_by
        ),
        None,
    )


def truth_choice(viewer: ViewerModel, tip: str, none_text: str) -> LayerChoice:
    """Make a choice of the layers that can hold the truth."""
    return LayerChoice(viewer, holds_molecules, tip, none_text=none_text)
