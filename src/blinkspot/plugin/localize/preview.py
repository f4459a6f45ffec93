"""The molecules of the frame shown, found anew as settings change."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image, Layer, Points
from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QLabel

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.comparing.view import ComparisonView
from blinkspot.plugin.jobs.latest_only import LatestOnly
from blinkspot.plugin.layers.movies import frame_index, frame_shown, has_frame, stack_of, why_not_a_movie
from blinkspot.plugin.localize import localizing_steps
from blinkspot.plugin.localize.markers import PreviewMarkers
from blinkspot.plugin.localize.marking.looks import legend
from blinkspot.plugin.localize.marking.states import truth_in_frame
from blinkspot.plugin.widgets.following import follow

_DEBOUNCE_MS = 25

# Layers of the movie, its denoised version and its truth, camera, and the settings of each movie as
# `LocalizerOptions.settings` gives them.
Previewed = tuple[Layer | None, Image | None, Points | None, Camera, Mapping[str, dict[str, Any]]]


class LocalizePreview(QObject):
    """Marks the molecules of the frame shown by what is known of them, and says how many there are.

    Parameters
    ----------
    viewer : ViewerModel
        Where they are shown.
    comparison : ComparisonView
        What compares two of its layers.
    ask : callable
        Returns what to look at now: the movie, its denoised version, its truth, the camera and the settings;
        raises BlinkspotError where settings contradict one another.
    parent : QObject

    Attributes
    ----------
    box : QCheckBox
        Turns the preview on.
    counts : QLabel
        Says how many molecules there are of each kind, or why none are shown.

    Signals
    -------
    failed : object
        An exception: a defect.
    """

    failed = Signal(object)

    def __init__(
        self, viewer: ViewerModel, comparison: ComparisonView, ask: Callable[[], Previewed], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._ask_what = ask
        self._markers = PreviewMarkers(viewer, comparison)
        self._is_counted = False
        self._followed: weakref.WeakSet[Layer] = weakref.WeakSet()
        self._previewed: weakref.WeakKeyDictionary[Layer, bool] = weakref.WeakKeyDictionary()
        self.box = QCheckBox("Preview")
        self.box.setToolTip("Mark the molecules found in the frame shown, as the settings change.")
        self.box.toggled.connect(self._on_toggled)
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.counts.setToolTip(
            "With a denoised movie: what lies within 71 nm in both is the same molecule. With the truth: "
            "what lies within 50 nm of a molecule that is there is true."
        )
        self._finding = LatestOnly(self)
        self._finding.answered.connect(self._on_found)
        self._finding.failed.connect(self._on_failed)
        self._debounce = QTimer(self)
        self._debounce.setSingleShot(True)
        self._debounce.setInterval(_DEBOUNCE_MS)
        self._debounce.timeout.connect(self._find)
        self._found: localizing_steps.PreviewAnswer | None = None
        self._then = QTimer(self)
        self._then.setSingleShot(True)
        self._then.timeout.connect(self._show_denoised)
        self._tidying = QTimer(self)
        self._tidying.setSingleShot(True)
        self._tidying.timeout.connect(self._tidy)
        follow(self, viewer.dims.events.current_step, self.soon)
        follow(self, viewer.layers.events.removed, self._on_layer_removed)
        follow(self, comparison.changed, self._on_comparison_changed)

    def soon(self, *_: object) -> None:
        """Find the molecules anew when nothing changes for a moment."""
        if self.box.isChecked():
            self._debounce.start()

    def end(self) -> None:
        """Turn the preview off."""
        self.box.setChecked(False)

    def close(self) -> None:
        """Turn the preview off for good, and take its circles away."""
        self.end()
        self._markers.remove()

    def _on_toggled(self, checked: bool) -> None:
        if checked:
            self.soon()
        else:
            self._debounce.stop()
            self._finding.forget()
            self._then.stop()
            self._markers.hide()
            self._say("")

    def _find(self) -> None:
        self._then.stop()
        try:
            layer, denoised, truth, camera, settings = self._ask_what()
        except BlinkspotError as error:
            self._finding.forget()
            self._say(str(error))
            return
        if layer is None or why_not_a_movie(layer) is not None:
            self._finding.forget()
            self._markers.remove()
            self._say("")
            return
        self._follow_drawing(layer, denoised)
        self._markers.begin(layer, denoised)
        denoised_index = None if denoised is None else frame_index(self._viewer, denoised)
        if denoised is not None and denoised_index is not None and not has_frame(denoised, denoised_index):
            denoised_index = None
        question = localizing_steps.PreviewQuestion(
            camera=camera,
            settings=settings,
            movie=stack_of(layer),
            index=frame_shown(self._viewer, layer),
            denoised=None if denoised_index is None else stack_of(denoised),
            denoised_index=denoised_index or 0,
            truth=None
            if truth is None
            else partial(
                truth_in_frame, dict(truth.metadata), truth.features, frame_shown(self._viewer, layer)
            ),
        )
        if not self._is_counted:
            self._say("Looking for molecules (the first time takes some seconds)...")
        self._finding.ask(partial(localizing_steps.localize_frame, question))

    def _follow_drawing(self, *layers: Layer | None) -> None:
        """Follow layers whose frames may come later than one looks at them."""
        self._previewed.clear()
        for layer in layers:
            if layer is None:
                continue
            self._previewed[layer] = layer.visible
            if layer not in self._followed:
                self._followed.add(layer)
                follow(self, layer.events.set_data, self._on_drawn)
                follow(self, layer.events.visible, self._on_visible)

    def _on_drawn(self, event: Any) -> None:
        # One that appears is drawn as it was.
        if self._previewed.get(event.source) == event.source.visible:
            self.soon()

    def _on_visible(self, event: Any) -> None:
        if event.source in self._previewed:
            self._previewed[event.source] = event.source.visible

    def _on_found(self, answer: localizing_steps.PreviewAnswer) -> None:
        if not self.box.isChecked():
            return
        if not self._markers.exist:
            # The user has deleted the circles: that ends the preview.
            self.end()
            return
        self._found = answer
        self._markers.show_noisy(answer.noisy)
        # Each layer takes napari some 20 ms: the window is not held up for both at once.
        self._then.start(0)

    def _show_denoised(self) -> None:
        answer, self._found = self._found, None
        if answer is None or not self._markers.exist:
            return
        self._markers.show_denoised(answer.denoised)
        self._is_counted = True
        self.counts.setTextFormat(Qt.TextFormat.RichText)
        self.counts.setText(legend(answer.index, answer.noisy, answer.denoised, answer.knows_truth))

    def _on_failed(self, error: Exception) -> None:
        if isinstance(error, BlinkspotError):
            # Turning a knob passes through settings that do not fit: no notification for each.
            self._say(str(error))
        else:
            self.failed.emit(error)

    def _say(self, text: str) -> None:
        """Say something other than how many molecules were found."""
        self._is_counted = False
        self.counts.setTextFormat(Qt.TextFormat.PlainText)
        self.counts.setText(text)

    def _on_comparison_changed(self, active: object) -> None:
        if active:
            self._markers.arrange()

    def _on_layer_removed(self, event: object) -> None:
        if not self._markers.exist and self._markers.noisy is not None:
            self.end()
            # Not now: napari may be removing several layers, of which it knows the places in its list.
            self._tidying.start()

    def _tidy(self) -> None:
        """Take away what is left of the markers: they keep the movie that they mark, which may be gone."""
        if not self._markers.exist:
            self._markers.remove()
