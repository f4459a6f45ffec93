"""What is in a viewer, as a session holds it."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer
from napari.layers import Points as PointsLayer

from blinkspot.camera import Camera
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.record import CameraRecord
from blinkspot.plugin.dock_settings import CALIBRATION
from blinkspot.plugin.layers.layer_choice import is_source
from blinkspot.plugin.layers.lineage import AnyAncestor
from blinkspot.plugin.layers.movies import DONE, PROVENANCE, ROLE, stack_of, why_not_a_movie
from blinkspot.plugin.layers.table_shown import PictureChoice
from blinkspot.plugin.layers.tables import table_of
from blinkspot.plugin.localize.localizing_steps import read_calibration
from blinkspot.plugin.molecules.layers import Work, holds_molecules, work_of
from blinkspot.plugin.session import Session
from blinkspot.sessions import (
    DenoisedMovie,
    Model,
    Movie,
    Picture,
    Report,
    SessionContents,
    SessionRecord,
    SessionTable,
    Table,
)

_RECORD = "processing"
_DENOISED_ROLES = ("denoised", "photons", "variance")


def contents_of(viewer: ViewerModel, session: Session) -> SessionContents:
    """Return what is in a viewer; nothing is read or computed, and tables are not copied."""
    return _Collecting(viewer, session).contents


def bytes_in_memory(viewer: ViewerModel) -> int:
    """Return the size that the movies which are in no file would have as files."""
    return sum(
        math.prod(layer.data.shape) * min(4, np.dtype(layer.data.dtype).itemsize)
        for layer in viewer.layers
        if (_is_recorded(layer) or _is_denoised(layer)) and stack_of(layer).path is None
    )


def _is_recorded(layer: Layer) -> bool:
    return is_source(layer) and why_not_a_movie(layer) is None


def _is_denoised(layer: Layer) -> bool:
    return layer.metadata.get(ROLE) in _DENOISED_ROLES and why_not_a_movie(layer) is None


@dataclass(frozen=True)
class _CalibrationFile:
    """A calibration that waits for a dock, and was not read yet."""

    path: Path

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as one new file."""
        read_calibration(self.path)[1].save(path)


class _Collecting:
    """Collects what is in a viewer."""

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self._viewer = viewer
        self._session = session
        self._movies: dict[str, Movie] = {}
        self._denoised: dict[str, DenoisedMovie] = {}
        self._gone: dict[tuple[str, str | None, tuple[int, ...]], str] = {}  # names of movies without a layer
        self._tables: list[Table] = []
        self._stacks: dict[str, Stack] = {}
        self._denoised_stacks: dict[str, Stack] = {}
        self._denoised_files: dict[str, Stack] = {}
        self._cameras: dict[str, Camera] = {}
        self._held: dict[str, SessionTable] = {}
        self._calibrations: dict[str, Any] = {}
        self._settings = session.dock_settings
        for layer in viewer.layers:
            if _is_recorded(layer):
                self._add_movie(layer)
        for layer in viewer.layers:
            if _is_denoised(layer) and DONE not in layer.metadata:
                self._add_denoised(layer)
        models = tuple(self._models())
        for layer in viewer.layers:
            if holds_molecules(layer):
                self._add_table(layer)
        reports = tuple(self._reports())
        self._add_calibration_chosen()
        record = SessionRecord(
            tuple(self._movies.values()),
            models,
            tuple(self._denoised.values()),
            tuple(self._tables),
            reports,
            self._settings,
        )
        self.contents = SessionContents(
            record,
            self._stacks,
            self._cameras,
            session.models,
            self._held,
            self._denoised_stacks,
            self._calibrations,
            self._denoised_files,
        )

    # -- movies

    def _add_movie(self, layer: Image) -> None:
        stack, record = stack_of(layer), self._session.cameras.record(layer)
        self._stacks[layer.name] = stack
        if record is not None:
            self._cameras[layer.name] = record.camera
        self._movies[layer.name] = Movie(
            layer.name,
            _absolute(stack.path),
            stack.shape,
            None if record is None else record.camera.as_dict(),
            _sources(record),
            "" if record is None else record.remark,
            look=self._look(layer),
        )

    def _recorded(self, ancestor: AnyAncestor | None) -> str | None:
        """Return the name of a movie; it is listed, too, where its layer is gone."""
        if ancestor is None:
            return None
        name, path = ancestor.name, _absolute(ancestor.path)
        if not ancestor.is_among(self._viewer.layers):
            key = (name, path, ancestor.shape)
            if key not in self._gone:
                self._gone[key] = self._of_file(path, ancestor.shape) or self._free(name)
            name = self._gone[key]
        if name not in self._movies and len(ancestor.shape) == 3:
            frames, height, width = ancestor.shape
            self._movies[name] = Movie(name, path, (frames, height, width), shown=False)
        return name

    def _of_file(self, path: str | None, shape: tuple[int, ...]) -> str | None:
        """Return the name of the movie of a file; None where it is not there."""
        movies = self._movies.values()
        return next((each.name for each in movies if path and (each.path, each.shape) == (path, shape)), None)

    def _add_denoised(self, layer: Image) -> None:
        stack = stack_of(layer)
        (self._denoised_stacks if stack.path is None else self._denoised_files)[layer.name] = stack
        provenance = dict(layer.metadata.get(PROVENANCE) or stack.metadata.get("provenance") or {})
        self._denoised[layer.name] = DenoisedMovie(
            layer.name,
            self._recorded(self._session.lineage.source(layer)),
            self._model_that_made(provenance),
            provenance,
            _absolute(stack.path),
            look=self._look(layer),
        )

    def _made(self, ancestor: AnyAncestor | None, movie: str | None) -> str | None:
        """Return the name of a denoised movie; it is listed, too, where its layer is gone."""
        if ancestor is None:
            return None
        name, path, made_by = ancestor.name, _absolute(ancestor.path), ancestor.provenance
        if ancestor.is_among(self._viewer.layers):
            is_same = name in self._denoised
            if not is_same and name in self._movies:  # one that the user opened as a movie of its own
                path, made_by = self._movies[name].path, {}
        else:
            entry = DenoisedMovie(name, movie, None, made_by, path)
            again = (each.name for each in self._denoised.values() if _is_made_again(each, entry))
            there = next(again, None)
            is_same, name = there is not None, there or self._free(name)
        if not is_same:
            model = self._model_that_made(made_by)
            self._denoised[name] = DenoisedMovie(name, movie, model, made_by, path, shown=False)
        return name

    def _free(self, name: str) -> str:
        """Return a name for what has no layer: none that a layer has, of whatever kind."""
        layers = {layer.name for layer in self._viewer.layers}
        return _free(name, {*self._movies, *self._denoised, *layers})

    def _model_that_made(self, provenance: dict[str, Any]) -> str | None:
        models = self._session.models.items()
        return next((name for name, model in models if model.made(provenance)), None)

    def _models(self) -> Iterator[Model]:
        for name, model in self._session.models.items():
            origin = self._session.lineage.model(model)
            movie = self._recorded(origin.movie)
            yield Model(name, model.provenance, movie, origin.stopped, _absolute(origin.path))

    def _look(self, layer: Image) -> dict[str, Any]:
        """Return how a movie is shown, JSON-ready; what a comparison hides is shown."""
        return {
            "scale": [float(value) for value in layer.scale],
            "translate": [float(value) for value in layer.translate],
            "units": [str(unit) for unit in layer.units],
            "contrast_limits": [float(value) for value in layer.contrast_limits],
            "gamma": float(layer.gamma),
            "colormap": str(layer.colormap.name),
            "visible": self._session.comparison.is_visible_apart(layer),
            "opacity": float(layer.opacity),
        }

    # -- tables

    def _add_table(self, layer: PointsLayer) -> None:
        origin, work = self._session.lineage.table(layer), work_of(layer)
        movie = self._recorded(origin.movie)
        calibration = None
        if origin.calibration is not None:
            calibration = self._calibration(str(origin.calibration[0]), origin.calibration[1])
        provenance: dict[str, Any] = dict(layer.metadata.get(PROVENANCE) or {})
        steps: tuple[dict[str, Any], ...] = ()
        if work is None:
            self._held[layer.name] = SessionTable(partial(table_of, dict(layer.metadata), layer.features))
        else:
            history = work.opened.history
            provenance = dict(history.source.provenance)
            before = len(provenance.get(_RECORD, ()))
            steps = tuple(history.table.provenance.get(_RECORD, ())[before:])
            source = history.source
            self._held[layer.name] = SessionTable(lambda: source, history.table if steps else None)
        self._tables.append(
            Table(
                layer.name,
                _absolute(origin.path),
                movie,
                self._made(origin.denoised, movie),
                calibration,
                provenance,
                tuple({"step": step["step"], "settings": step["settings"]} for step in steps),
                self._condition(layer),
                self._picture(layer, work),
                layer.metadata.get(ROLE) == "truth",
            )
        )

    def _condition(self, layer: Layer) -> str:
        dock = self._session.docks.get("Molecules")
        if dock is not None:
            return str(dock.filter.condition) if dock.tables.layer is layer else ""
        waiting = self._settings.get("Molecules", {})
        condition = waiting.get("filter")
        return condition if waiting.get("table") == layer.name and isinstance(condition, str) else ""

    def _picture(self, layer: PointsLayer, work: Work | None) -> Picture | None:
        """Return how the picture of a table that is in the viewer was drawn."""
        drawn: PictureChoice | None = None
        if work is not None and work.picture in self._viewer.layers:
            drawn = work.choice
        elif (origin := self._session.lineage.table(layer).picture) is not None:
            drawn = origin[1] if origin[0]() in self._viewer.layers else None
        return None if drawn is None else Picture(drawn.pixel_size_nm, drawn.method, drawn.colour_by)

    def _calibration(self, path: str, calibration: Any) -> str:
        """List a calibration; return its name: the path, unless that file has held another one, too."""
        name, number = path, 2
        while self._calibrations.setdefault(name, calibration) != calibration:
            name, number = f"{path} ({number})", number + 1
        return name

    def _add_calibration_chosen(self) -> None:
        dock = self._session.docks.get("Localize")
        path = self._settings.get("Localize", {}).get(CALIBRATION)
        if dock is not None and dock.options.astigmatism.path is not None:
            chosen = dock.options.astigmatism
            name = self._calibration(str(chosen.path), chosen.calibration)
            self._settings["Localize"] = {**self._settings["Localize"], CALIBRATION: name}
        elif dock is None and isinstance(path, str):
            self._calibrations.setdefault(path, _CalibrationFile(Path(path)))

    def _reports(self) -> Iterator[Report]:
        for each in self._session.lineage.reports:
            movie = self._recorded(each.movie)
            denoised = self._made(each.denoised, movie)
            assert movie is not None
            assert denoised is not None
            truth = None if each.truth is None else each.truth()
            yield Report(
                movie,
                denoised,
                str(each.folder.absolute()),
                each.camera.as_dict(),
                None if truth is None else truth.name,
                each.holds_out,
            )


def _is_made_again(denoised: DenoisedMovie, gone: DenoisedMovie) -> bool:
    """Whether a denoised movie holds what one held whose layer is gone."""
    one, other = (
        {name: value for name, value in each.provenance.items() if name != "created"}
        for each in (denoised, gone)
    )
    is_one = denoised.name == gone.name or bool(one) or gone.path is not None
    return is_one and (denoised.movie, denoised.path, one) == (gone.movie, gone.path, other)


def _free(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _sources(record: CameraRecord | None) -> dict[str, Any]:
    """Return where the values of a camera came from, JSON-ready."""
    sources = {} if record is None else record.sources
    return {
        name: {"origin": source.origin.name, "error": source.error, "note": source.note}
        for name, source in sources.items()
    }
