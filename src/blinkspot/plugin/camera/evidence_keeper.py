"""Keeps what the movies of a viewer say of their cameras, each measured once in another thread."""

from __future__ import annotations

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.camera_from_movie.evidence import CameraEvidence, camera_evidence
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.layers.movies import stack_of, why_not_a_movie


class EvidenceKeeper(QObject):
    """What the movies of a viewer say of their cameras.

    Signals
    -------
    measured : Layer
        What this movie says is known now.
    """

    measured = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        # With the data that each was measured on: the user may put others into the layer.
        self._found: WeakKeyDictionary[Layer, tuple[Any, CameraEvidence | None]] = WeakKeyDictionary()
        self._questions: WeakKeyDictionary[Layer, LatestOnly] = WeakKeyDictionary()

    def of(self, layer: Layer) -> CameraEvidence | None:
        """Return what a movie says; None where that is not known, or not yet."""
        data, evidence = self._found.get(layer, (None, None))
        return evidence if data is layer.data else None

    def ensure(self, layer: Layer) -> None:
        """Measure what a movie says, unless that is done or under way.

        One measurement at a time, however often the movie's data are renewed.
        """
        data, _ = self._found.get(layer, (None, None))
        if data is layer.data or why_not_a_movie(layer) is not None:
            return
        self._found[layer] = (layer.data, None)
        question = self._questions.get(layer)
        if question is None:
            question = self._questions[layer] = LatestOnly(self)
            question.answered.connect(partial(self._on_answered, layer))
            question.failed.connect(partial(self._on_failed, layer))
        question.ask(partial(camera_evidence, stack_of(layer)))

    def _on_answered(self, layer: Layer, evidence: CameraEvidence) -> None:
        self._questions.pop(layer).deleteLater()
        data, _ = self._found[layer]
        self._found[layer] = (data, evidence)
        if layer.data is data:
            self.measured.emit(layer)

    def _on_failed(self, layer: Layer, error: Exception) -> None:
        self._questions.pop(layer).deleteLater()
        # Nobody asked for this, and what is wrong with a movie is said where it is used.
        if not isinstance(error, BlinkspotError):
            tell_error(error, "Measuring the noise")
