"""Keeps the cameras of a viewer's movies, and finds them out where nobody has said."""

from __future__ import annotations

import dataclasses
from functools import partial
from weakref import WeakKeyDictionary

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.camera import MAPPED
from blinkspot.camera_from_movie.estimate import CameraEstimate
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera.evidence_keeper import EvidenceKeeper
from blinkspot.plugin.camera.maps_choice import ChosenMaps
from blinkspot.plugin.camera.record import ESSENTIAL, CameraRecord, Origin, Source, measure_camera
from blinkspot.plugin.camera.remembered_cameras import RememberedCameras, cameras_folder
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.layers.movies import stack_of, why_not_a_movie


class CameraKeeper(QObject):
    """The cameras of a viewer's movies.

    Attributes
    ----------
    evidence : EvidenceKeeper
        What the movies say of them.
    remembered : RememberedCameras
        Cameras that the user has named.

    Signals
    -------
    changed : Layer
        The camera of this movie was set.
    estimating_changed : Layer
        The camera of this movie is being estimated, or no longer.
    """

    changed = Signal(object)
    estimating_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._records: WeakKeyDictionary[Layer, CameraRecord] = WeakKeyDictionary()
        self._estimates: WeakKeyDictionary[Layer, LatestOnly] = WeakKeyDictionary()
        self.evidence = EvidenceKeeper(self)
        self.remembered = RememberedCameras(cameras_folder())

    def record(self, layer: Layer) -> CameraRecord | None:
        """Return the camera of a movie, None where it was neither set nor sought yet."""
        return self._records.get(layer)

    def set(self, layer: Layer, record: CameraRecord) -> None:
        """Set the camera of a movie; an estimate of what is set here is no longer waited for."""
        before = self._records.get(layer)
        if before != record:
            if before is not None and before.essentials != record.essentials:
                self._forget(layer)
            self._records[layer] = record
            self.changed.emit(layer)

    def ensure(self, layer: Layer) -> None:
        """Fill in the camera of a movie that is new here.

        From its file; else from the remembered camera that the file names; else from its noise.
        """
        if layer in self._records or why_not_a_movie(layer) is not None:
            return
        record = CameraRecord()
        try:
            movie = stack_of(layer)
            record = self._remembered(movie).with_values(movie.camera_hints, Source(Origin.FILE))
        except BlinkspotError as error:
            tell_error(error, "Reading the camera from the file")
        self.set(layer, record)
        if record.lacks:
            self.estimate(layer, keep_offset=True)

    def _remembered(self, movie: Stack) -> CameraRecord:
        """Return the camera that the user has remembered by the name in a movie's file, if there is one."""
        name = movie.metadata.get("camera_name")
        if name not in self.remembered.names:
            return CameraRecord()
        source = Source(Origin.REMEMBERED, note=f"As {name}.")
        try:
            return CameraRecord().loaded(self.remembered.load(name), source, movie.height, movie.width)
        except BlinkspotError as error:
            tell_error(error, "Taking the remembered camera")
            return CameraRecord()

    def type(self, layer: Layer, name: str, value: float) -> None:
        """Set one value as the user typed it.

        With the offset known, a conversion that nobody gave can be measured (again): it depends on the read
        noise, too, and where there is some, it is not in proportion to the gain.
        """
        record = self._records.get(layer, CameraRecord()).typed(name, value)
        self.set(layer, record)
        offset, conversion = (record.source(each).origin for each in ESSENTIAL)
        decides = name in ("offset_adu", "read_noise_electrons") or (
            name == "em_gain" and record.camera.read_noise_electrons > 0.0
        )
        not_given = (Origin.DEFAULT, Origin.ESTIMATED)
        if decides and offset not in not_given and conversion in not_given:
            self.estimate(layer, keep_offset=True)

    def set_maps(self, layer: Layer, chosen: ChosenMaps | None) -> None:
        """Set or remove the maps of a movie's camera, and see whether the movie agrees.

        Raises
        ------
        BlinkspotError
            If the maps do not reach as far as the movie.
        """
        movie = stack_of(layer)
        record = self._records.get(layer, CameraRecord())
        if chosen is not None:
            self.set(layer, record.with_maps(chosen, movie.height, movie.width))
            self.estimate(layer, keep_offset=True)
            return
        hints = {name: value for name, value in movie.camera_hints.items() if name in MAPPED}
        self.set(layer, record.without_maps().with_values(hints, Source(Origin.FILE)))
        if self._records[layer].lacks:
            self.estimate(layer, keep_offset=True)

    def is_estimating(self, layer: Layer) -> bool:
        """Whether the camera of a movie is being estimated."""
        return layer in self._estimates

    def estimate(self, layer: Layer, keep_offset: bool = False) -> None:
        """Estimate offset and conversion from the movie, in another thread.

        Parameters
        ----------
        keep_offset : bool
            Whether to believe an offset that somebody gave, and estimate the conversion only.
        """
        self._estimate(layer, keep_offset, again=False)

    def _estimate(self, layer: Layer, keep_offset: bool, again: bool) -> None:
        self._forget(layer)
        try:
            movie = stack_of(layer)
        except BlinkspotError as error:
            tell_error(error, "Estimating the camera")
            return
        record = self._records.get(layer, CameraRecord())
        mapped = record.camera.maps is not None
        known = record.source("offset_adu").origin not in (Origin.DEFAULT, Origin.ESTIMATED)
        offset_adu = record.camera.offset_adu if known else None
        question = LatestOnly(self)
        data = layer.data

        def begun_anew() -> bool:
            """Ask the movie that has come into the layer meanwhile, if so; once, for it may grow on."""
            is_other = layer.data is not data and not again and why_not_a_movie(layer) is None
            if is_other:
                self._estimate(layer, keep_offset, again=True)
            return is_other

        def on_answered(estimate: CameraEstimate) -> None:
            if not begun_anew():
                self._on_estimated(layer, estimate, keep_offset and mapped)

        def on_failed(error: Exception) -> None:
            if not begun_anew():
                self._on_failed(layer, error, asked=not keep_offset)

        question.answered.connect(on_answered)
        question.failed.connect(on_failed)
        self._estimates[layer] = question
        self.estimating_changed.emit(layer)
        question.ask(partial(measure_camera, movie, record.camera, offset_adu, keep_offset))

    def _on_estimated(self, layer: Layer, estimate: CameraEstimate, keep_offset: bool) -> None:
        self._forget(layer)
        self.set(layer, self._records.get(layer, CameraRecord()).with_estimate(estimate, keep_offset))

    def _on_failed(self, layer: Layer, error: Exception, asked: bool) -> None:
        self._forget(layer)
        if isinstance(error, BlinkspotError) and not asked:
            # Nobody asked for this: the sentence waits beside the fields until the user comes there.
            record = self._records.get(layer, CameraRecord())
            self.set(layer, dataclasses.replace(record, remark=str(error)))
        else:
            tell_error(error, "Estimating the camera")

    def _forget(self, layer: Layer) -> None:
        question = self._estimates.pop(layer, None)
        if question is not None:
            question.forget()
            question.deleteLater()
            self.estimating_changed.emit(layer)
