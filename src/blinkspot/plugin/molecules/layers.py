"""A table in the viewer: its molecules as points, and their super-resolved picture."""

from __future__ import annotations

import dataclasses
import weakref
from typing import TYPE_CHECKING, Any, Self

from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.layers import Points as PointsLayer

from blinkspot.plugin.layers.layer_list import put_above, selection_kept
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, TABLE, Place
from blinkspot.plugin.layers.rings import NO_PLACES, add_rings
from blinkspot.plugin.layers.table_shown import Picture, PictureChoice
from blinkspot.plugin.layers.world import data_at
from blinkspot.plugin.molecules.molecules_steps import Opened, Points, Shown
from blinkspot.plugin.session import session_of

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.localization import LocalizationTable

WORK = "blinkspot_molecules"
"""Key of the metadata of a layer that the Molecules dock works on: its :class:`Work`."""

_COLOUR = "#7cfc00"
_RING_PX = 3.5
_CROSS_PX = 1.5
_NM_PER_UM = 1000.0


def holds_molecules(layer: Layer) -> bool:
    """Whether a layer is a table that can be chosen: Localize's, a file's, or any with such features."""
    if not isinstance(layer, PointsLayer) or layer.ndim != 3 or layer.metadata.get(ROLE) == "processed":
        return False
    return WORK in layer.metadata or {"frame", "x_nm", "y_nm"} <= set(layer.features.columns)


class Work:
    """What is done to the table of a layer, and the layers that show it.

    Attributes
    ----------
    opened : Opened
        The table and the steps it has gone through.
    from_file : bool
        Whether the chosen layer was made for a file: then its points are what is left of the table. Another
        layer keeps its points, and rings around them show what is left.
    points : Points layer or None
        What shows the molecules that are left.
    picture : Image layer or None
    choice : PictureChoice or None
        How the picture was drawn.
    drawn : (LocalizationTable, str) or None
        The table and the condition whose picture it is.
    limits : (low, high) or None
        The contrast limits that the picture was given last.
    frames : (first, last) or None
        Of the molecules shown as points, where these are not all.
    rows : int
        Points that the chosen layer had when its table was taken.
    """

    def __init__(self, layer: PointsLayer, opened: Opened, from_file: bool, rows: int) -> None:
        self._layer = weakref.ref(layer)
        self.opened = opened
        self.from_file = from_file
        self.rows = rows
        self.points: PointsLayer | None = layer if from_file else None
        self.picture: Image | None = None
        self.choice: PictureChoice | None = None
        self.drawn: tuple[LocalizationTable, str] | None = None
        self.limits: tuple[float, float] | None = None
        self.frames: tuple[int, int] | None = None

    def for_layer(self, layer: PointsLayer) -> Self:
        """Return this if it is about a layer; else the same, from now on by itself, about that layer."""
        if self._layer() is layer:
            return self
        opened = dataclasses.replace(self.opened, history=self.opened.history.copy())
        return type(self)(layer, opened, self.from_file, self.rows)

    def is_untouched(self, table: LocalizationTable, condition: str) -> bool:
        """Whether what is left is what the chosen layer's own points have shown from the beginning."""
        is_source = table is self.opened.history.source and not condition
        return is_source and not self.from_file and self.points is None


def work_of(layer: PointsLayer) -> Work | None:
    """Return what is done to the table of a layer; None where nothing is, or its points are others since."""
    work = layer.metadata.get(WORK)
    if not isinstance(work, Work) or not (work.from_file or work.rows == len(layer.data)):
        return None
    # napari's copy of a layer has the metadata of the first.
    layer.metadata[WORK] = work = work.for_layer(layer)
    return work


def begin_work(layer: PointsLayer, opened: Opened) -> Work:
    """Begin with the table of a layer, in place of what was done to it before."""
    work = Work(layer, opened, False, len(opened.history.source))
    layer.metadata[WORK] = work
    return work


def add_file(
    viewer: ViewerModel, name: str, opened: Opened, where: dict[str, Any] | None = None
) -> PointsLayer:
    """Add the layer of a table that was read from a file, without points yet.

    Parameters
    ----------
    where : dict, optional
        Where it lies (see :meth:`.Place.of_frames`); by default where a movie in micrometres would.
    """
    scale = opened.pixel_size_nm / _NM_PER_UM
    # In micrometres the world begins at the corner of the movie, else at the middle of its first pixel.
    start = 0.0 if opened.knows_pixels else 0.5 * scale
    in_um: dict[str, Any] = {
        "scale": (1.0, scale, scale),
        "translate": (0.0, start, start),
        "units": ("pixel", "um", "um"),
        "axis_labels": ("t", "y", "x"),
    }
    source = opened.history.source
    layer = PointsLayer(
        NO_PLACES,
        name=name,
        size=_CROSS_PX,
        face_color=_COLOUR,
        border_width=0,
        symbol="cross",
        **(where or in_um),
        metadata={ROLE: "localizations", PROVENANCE: source.provenance, TABLE: source},
    )
    # Before it is added: a dock chooses it at once.
    layer.metadata[WORK] = Work(layer, opened, True, 0)
    viewer.add_layer(layer)
    return layer


def frame_at(viewer: ViewerModel, layer: Layer) -> int:
    """Return the frame of a layer of molecules that the viewer shows."""
    return max(0, round(float(data_at(viewer, layer, viewer.dims.point)[0])))


def show_left(viewer: ViewerModel, source: PointsLayer, work: Work, shown: Shown, *, anew: bool) -> None:
    """Show what is left of the table of a layer: its molecules and its picture, where the layer lies.

    Parameters
    ----------
    anew : bool
        Whether what the user has deleted comes back, and the picture takes on its own contrast; else a
        contrast that the user has set stays.
    """
    if not work.is_untouched(*shown.of):
        _show_points(viewer, source, work, shown, anew=anew)
    if shown.picture is not None:
        _show_picture(viewer, source, work, shown, shown.picture, anew=anew)


def _show_points(viewer: ViewerModel, source: PointsLayer, work: Work, shown: Shown, *, anew: bool) -> None:
    points, layer = shown.points, work.points
    if layer is not None and layer not in viewer.layers:
        if not anew:
            return
        layer = None
    work.frames = points.frames
    if layer is None:
        layer = work.points = _add_rings(viewer, source, points)
    else:
        layer.data = points.places
        layer.features = points.features
    layer.metadata[PROVENANCE] = shown.table.provenance
    layer.metadata.pop(TABLE, None)
    if points.frames is not None:
        layer.metadata[TABLE] = shown.table


def _add_rings(viewer: ViewerModel, source: PointsLayer, points: Points) -> PointsLayer:
    session_of(viewer).comparison.leave_grid()
    layer = add_rings(
        viewer,
        source,
        points.places,
        name=f"{source.name} processed",
        role="processed",
        colour=_COLOUR,
        diameter_px=_RING_PX,
        features=points.features,
    )
    put_above(viewer, layer, source)
    return layer


def _show_picture(
    viewer: ViewerModel, source: PointsLayer, work: Work, shown: Shown, picture: Picture, *, anew: bool
) -> None:
    layer = work.picture if work.picture in viewer.layers else None
    if layer is None and not anew:
        return
    if anew:
        # Which would hide it.
        session_of(viewer).comparison.restore()
    work.drawn = shown.of
    place: dict[str, Any] = Place.of(source).of_picture(picture.pixels)
    limits = picture.look.get("contrast_limits")
    if layer is None or layer.rgb != (picture.data.ndim == 3):
        layer = work.picture = _new_picture(viewer, source, layer, picture, place)
        work.limits = limits
    else:
        untouched = work.limits is not None and tuple(layer.contrast_limits) == work.limits
        layer.data = picture.data
        if anew:
            for name in ("scale", "translate", "affine"):
                setattr(layer, name, place[name])
        if limits is not None and (anew or untouched):
            layer.contrast_limits = work.limits = limits
    layer.metadata.update({ROLE: "picture", PROVENANCE: shown.table.provenance})


def _new_picture(
    viewer: ViewerModel, source: PointsLayer, before: Image | None, picture: Picture, place: dict[str, Any]
) -> Image:
    """Add a layer below the molecules, which it would hide, in place of one whose kind is another."""
    name = f"{source.name} molecules"
    with selection_kept(viewer):
        if before is not None:
            name = before.name
            viewer.layers.remove(before)
        # Of ours from the beginning: an image without a role would be taken for a movie.
        layer = viewer.add_image(
            picture.data, name=name, metadata={ROLE: "picture"}, **{**picture.look, **place}
        )
        viewer.layers.move(viewer.layers.index(layer), viewer.layers.index(source))
    return layer
