"""The settings of the docks as plain values, by which a session is restored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

from blinkspot.plugin.layers.layer_choice import LayerChoice

_LONGEST_TEXT = 2000
_PART = "part"
CALIBRATION = "calibration"
"""The setting of the Localize dock that is the file of an astigmatism calibration."""
# Which setting of a dock is the name of a model, and which are those of layers.
_OF_MODELS = {"Train": "start", "Denoise": "model"}
_OF_LAYERS = ("movie", "denoised", "truth", "table")


def settings_of(dock: Any) -> dict[str, Any]:
    """Return the settings of a dock: numbers, texts and names of layers, by names of their own."""
    settings = {name: _value(widget) for name, widget in _widgets(dock).items()}
    if dock.title == "Train":
        settings[_PART] = dock.options.part.settings
    if dock.title == "Localize" and dock.options.astigmatism.path is not None:
        settings[CALIBRATION] = str(dock.options.astigmatism.path)
    return settings


def apply_settings(dock: Any, settings: Mapping[str, Any], layers: Mapping[str, Layer]) -> None:
    """Set what a dock can take; the rest is left as it is.

    Parameters
    ----------
    settings : mapping
        As :func:`settings_of` gives it; from a file that may hold anything.
    layers : mapping
        The layers that the names stand for.
    """
    for name, widget in _widgets(dock).items():
        if name in settings:
            _set(widget, settings[name], layers)
    if dock.title == "Train" and isinstance(settings.get(_PART), dict):
        dock.options.part.restore(settings[_PART])
    if dock.title == "Localize" and isinstance(settings.get(CALIBRATION), str):
        dock.options.astigmatism.load(Path(settings[CALIBRATION]))


def with_models_named(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of the docks with the names that models have got.

    Parameters
    ----------
    settings : mapping
        By title of the dock; from a file that may hold anything.
    names : mapping
        The names that models have by those that stand in the settings. One that is not among them is left
        out: a model that bears its name is another one.
    """
    named = dict(settings)
    for title, setting in _OF_MODELS.items():
        values = named.get(title)
        if isinstance(values, dict) and isinstance(values.get(setting), str):
            kept = {name: value for name, value in values.items() if name != setting}
            got = names.get(values[setting])
            named[title] = kept if got is None else {**values, setting: got}
    return named


def with_layers_named(settings: Mapping[str, Any], layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Return the settings of a dock with the names that layers have by now.

    Parameters
    ----------
    settings : mapping
        Of a dock.
    layers : mapping
        By the names that stand in the settings; for one that is not among them, None is chosen.
    """
    named = dict(settings)
    for setting in _OF_LAYERS:
        if isinstance(named.get(setting), str):
            layer = layers.get(named[setting])
            named[setting] = None if layer is None else layer.name
    return named


def _widgets(dock: Any) -> dict[str, QWidget]:
    """Return the fields of a dock by name; those first on which others depend."""
    named = {
        "Train": _of_train,
        "Denoise": _of_denoise,
        "Localize": _of_localize,
        "Molecules": _of_molecules,
        "Report": _of_report,
    }
    return named[dock.title](dock)


def _of_train(dock: Any) -> dict[str, QWidget]:
    names = ("start", "context", "network", "extent", "minutes", "epochs", "seed", "device")
    return {"movie": dock.movies, **{name: getattr(dock.options, name) for name in names}}


def _of_denoise(dock: Any) -> dict[str, QWidget]:
    return {
        "movie": dock.movies,
        "model": dock.models,
        "frames": dock.frames,
        "first": dock.first,
        "last": dock.last,
        "estimate": dock.estimate,
    }


def _of_localize(dock: Any) -> dict[str, QWidget]:
    options = dock.options
    names = ("accept", "false_per_frame", "fit", "fit_on", "widths", "fit_window", "sigma", "emitters")
    return {
        "movie": dock.movies,
        "denoised": dock.denoised,
        "truth": dock.truth,
        **{name: getattr(options, name) for name in names},
        "equal_photons": options.equal_photons,
        "threshold": options.threshold.number,
        "denoised_threshold": options.denoised_threshold.number,
        "target": dock.target,
        **_of_picture(dock.picture),
    }


def _of_molecules(dock: Any) -> dict[str, QWidget]:
    steps = {
        f"{step} {name}": field
        for step, fields in dock.steps.fields.items()
        for name, field in fields.items()
    }
    return {
        "table": dock.tables,
        "pixel": dock.pixel,
        "filter": dock.filter.text,
        "step": dock.steps.step,
        **steps,
        **_of_picture(dock.picture),
    }


def _of_report(dock: Any) -> dict[str, QWidget]:
    return {
        "movie": dock.movies,
        "denoised": dock.denoised,
        "truth": dock.truth,
        "hold_out": dock.hold_out,
    }


def _of_picture(options: Any) -> dict[str, QWidget]:
    return {
        "picture_method": options.method,
        "picture_pixel": options.pixel,
        "picture_colour_by": options.colour_by,
    }


def _value(widget: QWidget) -> Any:
    if isinstance(widget, LayerChoice):
        return None if widget.layer is None else widget.layer.name
    if isinstance(widget, QComboBox):
        return widget.currentData() if _has_data(widget) else widget.currentText()
    if isinstance(widget, QSpinBox | QDoubleSpinBox):
        return widget.value()
    if isinstance(widget, QLineEdit):
        return widget.text()
    assert isinstance(widget, QAbstractButton)
    return widget.isChecked()


def _set(widget: QWidget, value: Any, layers: Mapping[str, Layer]) -> None:
    """Set a field; a value of another kind, or that it does not offer, changes nothing."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(widget, LayerChoice):
        if isinstance(value, str) and value in layers:
            widget.refresh()
            widget.choose(layers[value])
    elif isinstance(widget, QComboBox):
        offered = widget.itemData if _has_data(widget) else widget.itemText
        for index in range(widget.count()):
            if offered(index) == value and type(offered(index)) is type(value):
                widget.setCurrentIndex(index)
                return
    elif isinstance(widget, QSpinBox):
        if is_number:
            widget.setValue(int(min(max(value, widget.minimum()), widget.maximum())))
    elif isinstance(widget, QDoubleSpinBox):
        if is_number:
            widget.setValue(float(value))
    elif isinstance(widget, QLineEdit):
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
            widget.setText(value)
    elif isinstance(widget, QAbstractButton) and isinstance(value, bool) and widget.isEnabled():
        widget.setChecked(value)


def _has_data(box: QComboBox) -> bool:
    return any(box.itemData(index) is not None for index in range(box.count()))
