"""Puts what a session held into a viewer."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.denoise.denoised_layer import Request
from blinkspot.plugin.denoise.on_the_fly.layer import add_on_the_fly
from blinkspot.plugin.layers.lineage import Ancestor, AnyAncestor, GoneAncestor, Reported, TableOrigin
from blinkspot.plugin.layers.movies import PROVENANCE, ROLE, UNIT, Place, denoised_role
from blinkspot.plugin.molecules.layers import WORK, add_file, show_left
from blinkspot.plugin.saved_sessions.session_steps import Restored, RestoredTable
from blinkspot.plugin.session import Session
from blinkspot.sessions import Report

# Numbers with which napari can still reckon.
_SMALLEST, _LARGEST = 1e-12, 1e30
_UNITS = {"denoised": "ADU", "photons": "photons", "variance": "ADU^2"}


def put_back(viewer: ViewerModel, session: Session, restored: Restored) -> Generator[None, None, None]:
    """Add the layers and models of a session, and set its docks.

    What is there already stays; a name that is taken gets a number, as napari does it.

    Yields
    ------
    None
        After each layer: napari takes a while to add one, and the window has other things to do, too.
    """
    return _PuttingBack(viewer, session, restored).run()


class _PuttingBack:
    def __init__(self, viewer: ViewerModel, session: Session, restored: Restored) -> None:
        self._viewer = viewer
        self._session = session
        self._restored = restored
        self._movies: dict[str, Layer] = {}  # as recorded, by the names that they have in the session
        self._layers: dict[str, Layer] = {}  # all of them

    def run(self) -> Generator[None, None, None]:
        restored, session = self._restored, self._session
        session.comparison.restore()  # in which each layer that is new would take a place
        for movie, (data, state, _), camera in restored.movies:
            layer = self._add_image(data, state, movie.look)
            self._movies[movie.name] = self._layers[movie.name] = layer
            if camera is not None:
                session.cameras.set(layer, camera)
            yield
        names: dict[str, str] = {}  # that models have here, by those that they have in the session
        for model, denoiser in restored.models:
            origin = session.lineage.model(denoiser)
            origin.movie = self._recorded(model.movie)
            origin.stopped = model.stopped
            origin.path = None if model.file is None else Path(model.file)
            names[model.name] = session.add_model(model.name, denoiser)
        made: list[tuple[str, Layer, Layer]] = []
        for entry, (data, state, _) in restored.denoised:
            made_by = state["metadata"].setdefault(PROVENANCE, entry.provenance)
            role = denoised_role(made_by)
            state["metadata"] |= {ROLE: role, UNIT: _UNITS[role]}
            layer = self._add_image(data, state, entry.look)
            self._layers[entry.name] = layer
            source, ancestor = self._movies.get(entry.movie or ""), self._recorded(entry.movie)
            if ancestor is not None:
                session.lineage.set_source(layer, ancestor)
            if source is not None and role == "denoised":
                made.append((str(made_by.get("created")), source, layer))
            yield
        # In the order in which they were made: the newest is offered first.
        for _, source, layer in sorted(made, key=lambda each: each[0]):
            if source in self._viewer.layers and layer in self._viewer.layers:
                session.add_denoised(source, layer)
        for entry, task, prepared in restored.anew:
            source = self._movies[entry.movie or ""]
            if source in self._viewer.layers:
                request = Request(source, Place.of(source), task, on_the_fly=True)
                layer = add_on_the_fly(self._viewer, session, request, prepared)
                layer.name = entry.name
                _set_look(layer, entry.look)
                self._layers[entry.name] = layer
                yield
        for each in restored.tables:
            self._add_table(each)
            yield
        for report in restored.located.record.reports:
            self._add_report(report)
        session.restore_docks(restored.located.record.docks, self._layers, names)

    def _add_image(self, data: Any, state: dict[str, Any], look: dict[str, Any]) -> Image:
        # At once as it is to be: napari draws a layer as soon as it is added, and warns of other units.
        wanted = {name: value for name, value in look.items() if _is_look(name, value)}
        layer: Image
        try:
            layer = self._viewer.add_image(data, **{**state, **wanted})
        except Exception:  # at what napari does not take, each for itself
            layer = self._viewer.add_image(data, **state)
            _set_look(layer, look)
        return layer

    def _recorded(self, name: str | None) -> AnyAncestor | None:
        """Return a movie as recorded that something was made from, also one that was not found."""
        layer = self._movies.get(name or "")
        if layer is not None:
            return Ancestor(layer)
        movies = self._restored.located.record.movies
        movie = next((each for each in movies if each.name == name), None)
        return None if movie is None else GoneAncestor(movie.name, movie.path, movie.shape)

    def _made(self, name: str | None) -> AnyAncestor | None:
        """Return a denoised movie that something was made from, also one that was not found."""
        layer = self._layers.get(name or "")
        if layer is not None:
            return Ancestor(layer)
        made = next((each for each in self._restored.located.record.denoised if each.name == name), None)
        if made is None:  # one that was opened as a movie of its own
            return self._recorded(name)
        return GoneAncestor(made.name, made.path, (), made.provenance)

    def _add_table(self, restored: RestoredTable) -> None:
        table, shown = restored.table, restored.shown
        movie = self._movies.get(table.movie or "")
        where = None if movie is None else Place.of(movie).of_frames(0)
        layer = add_file(self._viewer, table.name, restored.opened, where)
        self._layers[table.name] = layer
        if table.is_truth:
            layer.metadata[ROLE] = "truth"
            layer.visible = False
        work = layer.metadata[WORK]
        show_left(self._viewer, layer, work, shown, anew=True)
        work.choice = _choice_of(restored)
        self._session.lineage.set_table(layer, self._origin(restored, work.picture, work.choice))

    def _add_report(self, report: Report) -> None:
        """Remember a report, where it is known of what and with which camera it was."""
        movie, denoised = self._recorded(report.movie), self._made(report.denoised)
        camera = self._camera_of(report)
        if movie is not None and denoised is not None and camera is not None:
            truth = self._layers.get(report.truth or "")
            known = None if truth is None else weakref.ref(truth)
            folder = Path(report.folder)
            reported = Reported(movie, denoised, camera, known, report.holds_out, folder)
            self._session.lineage.reports.append(reported)

    def _camera_of(self, report: Report) -> Camera | None:
        """Return the camera of a report; one with maps only where its movie has that still."""
        layer = self._movies.get(report.movie)
        record = None if layer is None else self._session.cameras.record(layer)
        if record is not None and _with_digest(record.camera.as_dict()) == _with_digest(report.camera):
            return record.camera
        with contextlib.suppress(BlinkspotError):
            return Camera.from_dict(report.camera)
        return None

    def _origin(self, restored: RestoredTable, picture: Layer | None, choice: Any) -> TableOrigin:
        table = restored.table
        shown = None if picture is None or choice is None else (weakref.ref(picture), choice)
        movie, denoised = self._recorded(table.movie), self._made(table.denoised)
        path = table.path if movie is None else None
        # One that was not localized in the window lies in the session's folder now.
        file = table.file if movie is None and path is None else path
        path_of_file = None if file is None else Path(file)
        return TableOrigin(movie, denoised, restored.calibration, path_of_file, shown)


def _with_digest(camera: dict[str, Any]) -> dict[str, Any]:
    """Return a camera's settings, of its maps the digest alone: their file is the session's by now."""
    maps = camera.get("maps")
    return {**camera, "maps": maps.get("digest") if isinstance(maps, dict) else maps}


def _choice_of(restored: RestoredTable) -> Any:
    picture = restored.shown.picture
    return None if picture is None else picture.choice


def _set_look(layer: Image, look: dict[str, Any]) -> None:
    for name, value in look.items():
        # Of a file that may hold anything: what napari does not take changes nothing.
        if _is_look(name, value):
            with contextlib.suppress(Exception):
                setattr(layer, name, value)


def _is_look(name: str, value: Any) -> bool:
    """Whether a value may be how a layer is shown."""
    if name in ("scale", "translate"):
        return _are_numbers(value, 3) and (name != "scale" or all(each > _SMALLEST for each in value))
    if name == "contrast_limits":
        return _are_numbers(value, 2) and value[0] < value[1]
    if name in ("gamma", "opacity"):
        return _are_numbers([value], 1) and 0 < value <= 2
    if name == "visible":
        return isinstance(value, bool)
    if name == "colormap":
        return isinstance(value, str) and len(value) < 100
    if name == "units":
        return isinstance(value, list) and len(value) == 3 and all(isinstance(unit, str) for unit in value)
    return False


def _are_numbers(value: Any, length: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == length
        and all(
            isinstance(each, int | float) and not isinstance(each, bool) and abs(each) < _LARGEST
            for each in value
        )
    )
