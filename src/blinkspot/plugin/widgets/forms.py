"""Small pieces of which the docks are built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QGroupBox, QHBoxLayout, QVBoxLayout, QWidget


def row(*widgets: QWidget, stretch_all: bool = False, wide: int = 0) -> QHBoxLayout:
    """Put widgets beside one another; that of index ``wide`` (or each) takes the room that is left."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, stretch=1 if stretch_all or index == wide else 0)
    return layout


def combo(choices: Mapping[Any, str], tip: str, least_letters: int = 8) -> QComboBox:
    """Make a combo box of values and their texts that gives way in a narrow dock, down to a few letters."""
    box = QComboBox()
    for value, text in choices.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    box.setMinimumContentsLength(least_letters)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def without_buttons(box: QAbstractSpinBox) -> None:
    """Leave the room of a spin box to its number; the arrow keys step it.

    Not by ``NoButtons``: under a style sheet, which napari has, Qt 6.11.3 and 6.12 then show no number.
    """
    parts = ("up-button", "down-button", "up-arrow", "down-arrow")
    selectors = ", ".join(f"QAbstractSpinBox::{part}" for part in parts)
    box.setStyleSheet(f"{selectors} {{ width: 0px; height: 0px; border: none; image: none }}")


def section(title: str, widget: QWidget) -> QGroupBox:
    """Frame a widget under a title."""
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 3, 6, 4)
    layout.addWidget(widget)
    return box
