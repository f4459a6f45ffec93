"""What the docks of one viewer share: trained models, cameras, what compares noisy and denoised."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.comparing.keys import bind_flip_key
from blinkspot.plugin.comparing.pixelwise import PixelwiseLayers
from blinkspot.plugin.comparing.profile import LineProfile
from blinkspot.plugin.comparing.scale_bar import ScaleBar
from blinkspot.plugin.comparing.view import FLIP, ComparisonView
from blinkspot.plugin.dock_settings import apply_settings, settings_of, with_layers_named, with_models_named
from blinkspot.plugin.jobs.notify import tell, tell_error
from blinkspot.plugin.jobs.running import JobRunner
from blinkspot.plugin.layers.lineage import Ancestor, Lineage
from blinkspot.plugin.layers.movies import PROVENANCE
from blinkspot.plugin.layers.safe_removal import remove_layers_safely

if TYPE_CHECKING:  # importing it imports torch, which takes seconds
    from blinkspot.denoising import Denoiser


class Session(QObject):
    """What the docks of one viewer share.

    Attributes
    ----------
    cameras : CameraKeeper
        The cameras of its movies.
    lineage : Lineage
        What its models and results were made from.
    comparison : ComparisonView
        Shows two of its layers side by side, behind a curtain, or one after the other.
    pixelwise : PixelwiseLayers
        Its layers of differences and residuals.
    profile : LineProfile
        The light along a line.
    scale_bar : ScaleBar
        Its scale bar.

    Signals
    -------
    model_added : str
        A model was trained or loaded; its name.
    model_saved : Denoiser
        A model was saved as a file, by itself or in a saved session.
    denoised_added : Layer
        A denoised movie was added to the viewer.
    """

    model_added = Signal(str)
    model_saved = Signal(object)
    denoised_added = Signal(object)

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self._models: dict[str, Denoiser] = {}
        self._sources: WeakKeyDictionary[Layer, weakref.ref[Layer]] = WeakKeyDictionary()
        self.cameras = CameraKeeper(self)
        self.lineage = Lineage()
        self.comparison = ComparisonView(viewer)
        self.pixelwise = PixelwiseLayers(viewer, self.cameras, self.model_behind, self)
        self.profile = LineProfile(viewer, self.cameras, self)
        self.scale_bar = ScaleBar(viewer, self.cameras, lambda: self.is_busy, self)
        self._runners: weakref.WeakSet[JobRunner] = weakref.WeakSet()
        self._docks: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._dock_settings: dict[str, Any] = {}  # of docks that are not open
        self._restored: WeakValueDictionary[str, Layer] = WeakValueDictionary()
        bind_flip_key(viewer, self.flip)
        remove_layers_safely(viewer)

    @property
    def models(self) -> dict[str, Denoiser]:
        """The models trained or loaded so far, by name, oldest first."""
        return dict(self._models)

    def add_model(self, name: str, model: Denoiser) -> str:
        """Offer a model to all docks, and return the name that it got: none is replaced."""
        unused, number = name, 2
        while unused in self._models:
            unused, number = f"{name} ({number})", number + 1
        self._models[unused] = model
        self.model_added.emit(unused)
        return unused

    def model_behind(self, denoised: Layer | None) -> Denoiser | None:
        """Return the model that made a denoised movie, None where the session does not have it."""
        made_by = None if denoised is None else denoised.metadata.get(PROVENANCE)
        if not isinstance(made_by, dict):
            return None
        return next((model for model in self._models.values() if model.made(made_by)), None)

    def add_runner(self, runner: JobRunner) -> None:
        """Remember what runs the jobs of a dock."""
        self._runners.add(runner)

    @property
    def is_busy(self) -> bool:
        """Whether a dock is at a job."""
        return any(runner.busy for runner in self._runners if isalive(runner))  # type: ignore[no-untyped-call]

    def dock_shown(self, dock: Any) -> None:
        """Give a dock that appears the settings that wait for it."""
        self._docks[dock.title] = dock
        if dock.title in self._dock_settings:
            apply_settings(dock, self._dock_settings.pop(dock.title), self._restored)

    @property
    def docks(self) -> dict[str, Any]:
        """The docks that have been on the screen and are not closed, by title."""
        return {title: dock for title, dock in self._docks.items() if isalive(dock)}  # type: ignore[no-untyped-call]

    @property
    def dock_settings(self) -> dict[str, Any]:
        """Settings of the docks by title; of those that are not open, what waits for them."""
        waiting = {
            title: with_layers_named(each, self._restored) for title, each in self._dock_settings.items()
        }
        return {**waiting, **{title: settings_of(dock) for title, dock in self.docks.items()}}

    def restore_docks(
        self, settings: Mapping[str, Any], layers: Mapping[str, Layer], models: Mapping[str, str]
    ) -> None:
        """Set the settings of the docks, at once or when they appear.

        Parameters
        ----------
        settings : mapping
            By title of the dock.
        layers : mapping
            The layers by the names that stand in the settings.
        models : mapping
            The names of the models in this session by those that stand in the settings.
        """
        self._restored = WeakValueDictionary(layers)
        settings = with_models_named(settings, models)
        self._dock_settings = {name: each for name, each in settings.items() if isinstance(each, dict)}
        for dock in self.docks.values():
            self.dock_shown(dock)

    def add_denoised(self, source: Layer, denoised: Layer) -> None:
        """Remember that one layer is another one denoised."""
        self._sources[denoised] = weakref.ref(source)
        self.lineage.set_source(denoised, Ancestor(source))
        self.comparison.take_in(source, denoised)
        self.denoised_added.emit(denoised)

    def denoised_of(self, source: Layer | None, among: Iterable[Layer]) -> Layer | None:
        """Return which of some layers is ``source`` denoised, the newest; None where there is none."""
        there = list(among)
        for denoised, reference in reversed(list(self._sources.items())):
            if source is not None and reference() is source and denoised in there:
                return denoised
        return None

    def flip(self, viewer: ViewerModel) -> None:
        """Flip between noisy and denoised: the two compared last, else the newest denoised movie."""
        comparison = self.comparison
        if comparison.active and comparison.way == FLIP:
            comparison.flip.flip()
            return
        pair = comparison.last_pair or self._newest_pair(viewer)
        if pair is None:
            tell("There is no denoised movie to flip to yet: train and denoise first.")
            return
        try:
            comparison.show(*pair, FLIP)
        except BlinkspotError as error:
            tell_error(error, "Flipping")

    def _newest_pair(self, viewer: ViewerModel) -> tuple[Layer, Layer] | None:
        for denoised, reference in reversed(list(self._sources.items())):
            source = reference()
            if source in viewer.layers and denoised in viewer.layers:
                return source, denoised
        return None


_sessions: WeakKeyDictionary[ViewerModel, Session] = WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of a viewer, made when first asked for."""
    session = _sessions.get(viewer)
    if session is None:
        session = _sessions[viewer] = Session(viewer)
    return session
