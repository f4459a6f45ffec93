"""Which step is done next, and its settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from blinkspot.plugin.molecules.molecules_steps import StepChoice
from blinkspot.plugin.molecules.step_settings import STEPS, Choice, Number, StepSettings
from blinkspot.plugin.widgets.forms import combo, row, without_buttons

_COLUMNS = 2


class StepOptions(QWidget):
    """Lets the user choose a step and edit its settings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.step = combo(
            {name: step.title for name, step in STEPS.items()},
            "What is done next to the whole table. A filter stands above.",
        )
        self.fields: dict[str, dict[str, QWidget]] = {}
        self._getters: dict[str, dict[str, Callable[[], Any]]] = {}
        self.pages = QStackedWidget()
        for name, step in STEPS.items():
            self.fields[name], self._getters[name] = {}, {}
            self.pages.addWidget(self._page(name, step))
        self.beside = row(self.step)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self.beside)
        layout.addWidget(self.pages)
        self.step.currentIndexChanged.connect(self._on_step_chosen)
        self._on_step_chosen(0)

    @property
    def name(self) -> str:
        """Name of the step chosen."""
        return str(self.step.currentData())

    @property
    def title(self) -> str:
        """What the step chosen is called."""
        return self.step.currentText().removesuffix("...")

    @property
    def choice(self) -> StepChoice:
        """The step chosen and its settings."""
        return self.name, {name: get() for name, get in self._getters[self.name].items()}

    def choose(self, name: str) -> None:
        """Choose a step, as if the user had."""
        self.step.setCurrentIndex(self.step.findData(name))

    def _on_step_chosen(self, index: int) -> None:
        self.pages.setCurrentIndex(index)
        self.step.setToolTip(STEPS[self.name].tip)

    def _page(self, name: str, step: StepSettings) -> QWidget:
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        place = 0
        for key, setting in step.settings.items():
            is_wide = isinstance(setting, Choice)
            field, self._getters[name][key] = (
                _choice_field(setting) if isinstance(setting, Choice) else _number_field(setting)
            )
            self.fields[name][key] = field
            field.setToolTip(setting.tip)
            field.setAccessibleName(setting.label)
            label = QLabel(setting.label)
            label.setBuddy(field)
            where, side = divmod(place, _COLUMNS)
            grid.addWidget(label, where, 2 * side)
            grid.addWidget(field, where, 2 * side + 1, 1, 2 * _COLUMNS - 1 if is_wide else 1)
            grid.setColumnStretch(2 * side + 1, 1)
            place += _COLUMNS if is_wide else 1
        grid.setRowStretch(len(step.settings), 1)
        return page


def _choice_field(setting: Choice) -> tuple[QWidget, Callable[[], Any]]:
    box = combo(setting.values, setting.tip)
    return box, box.currentData


def _number_field(setting: Number) -> tuple[QWidget, Callable[[], Any]]:
    spin: QSpinBox | QDoubleSpinBox
    if setting.decimals is not None:
        spin = QDoubleSpinBox()
        spin.setDecimals(setting.decimals)
        spin.setSingleStep(0.05 if setting.highest <= 1.0 else 1.0)
        spin.setRange(setting.lowest, setting.highest)
        spin.setValue(setting.default)
    else:
        spin = QSpinBox()
        spin.setRange(int(setting.lowest), int(setting.highest))
        spin.setValue(int(setting.default))
    spin.setSuffix(setting.unit)
    # Two of them fit beside each other, with their units, only so; the arrow keys step.
    without_buttons(spin)
    spin.setSpecialValueText(setting.lowest_text)
    if not setting.lowest_is_none:
        return spin, spin.value
    return spin, lambda: None if spin.value() == spin.minimum() else spin.value()
