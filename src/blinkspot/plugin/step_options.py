"""Which step is done next, and its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from blinkspot.plugin.forms import combo, row
from blinkspot.plugin.molecules_steps import StepChoice

FROM_FILE = "loaded_drift"
"""Name of the step whose settings are a file."""
FORMULA = "uncertainty"
"""Name of the step whose formula needs the camera's pixel."""
DRIFT_STEPS = frozenset({"drift", "fiducials", FROM_FILE})
"""Names of the steps that take a drift off."""


@dataclass(frozen=True)
class _Number:
    """A setting that is a number.

    Attributes
    ----------
    decimals : int or None
        None: a whole number.
    none_text : str
        What the smallest value says, which stands for no value at all; empty: it is a value like others.
    """

    label: str
    tip: str
    lowest: float
    highest: float
    default: float
    unit: str = ""
    decimals: int | None = None
    none_text: str = ""


@dataclass(frozen=True)
class _Choice:
    """A setting that is one of a few values."""

    label: str
    tip: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class _Step:
    title: str
    tip: str
    settings: Mapping[str, _Number | _Choice]


_STEPS = {
    "duplicates": _Step(
        "Remove duplicates",
        "Of localizations of one frame that have found the same molecule, the surest stays.",
        {
            "distance_nm": _Number(
                "Closer than",
                "Localizations of one frame that are closer than this are one molecule, in nm. Typical: the "
                "uncertainty of the less sure of the two, which stands for no number.",
                0.0,
                999.0,
                0.0,
                " nm",
                1,
                "uncertainty",
            )
        },
    ),
    "merge": _Step(
        "Merge blinks",
        "Make one row of the localizations of a molecule that shone in several frames.",
        {
            "radius_nm": _Number(
                "Radius",
                "Greatest distance from the molecule's mean position so far, in nm. Typical: 20 nm, some two "
                "times the uncertainty.",
                0.1,
                999.0,
                20.0,
                " nm",
                1,
            ),
            "dark_frames": _Number(
                "Dark frames",
                "Most frames in between in which the molecule is not found. Typical: 1.",
                0,
                99_999,
                1,
            ),
            "longest_frames": _Number(
                "Longest life",
                "Most frames from the first to the last localization of a molecule; later ones are another. "
                "Typical: no limit.",
                0,
                999_999,
                0,
                " frames",
                none_text="no limit",
            ),
        },
    ),
    "density": _Step(
        "Filter by density",
        "Keep each molecule that has enough others around it, of whatever frames.",
        {
            "radius_nm": _Number(
                "Radius", "How far neighbours may be, in nm. Typical: 50 nm.", 0.1, 9999.0, 50.0, " nm", 1
            ),
            "neighbours": _Number(
                "Others", "Fewest other molecules within the radius. Typical: 5.", 1, 1000, 5
            ),
        },
    ),
    "drift": _Step(
        "Correct drift",
        "Find the drift from the molecules themselves and take it off.",
        {
            "method": _Choice(
                "Method",
                "Each frame laid onto all the others after redundant cross-correlation, or that alone.",
                {"overlap": "Frame by frame", "rcc": "Redundant cross-correlation"},
            ),
            "segment_frames": _Number(
                "Segment",
                "Frames that are correlated as one. Typical: chosen from the data, some 20 segments.",
                0,
                99_999,
                0,
                " frames",
                none_text="auto",
            ),
            "largest_shift_nm": _Number(
                "Reach",
                "Largest drift between two segments along an axis, in nm. Typical: 1000 nm.",
                1.0,
                99_999.0,
                1000.0,
                " nm",
                0,
            ),
        },
    ),
    "fiducials": _Step(
        "Correct drift by fiducials",
        "Find marks that shine in nearly every frame, such as beads, and take off the drift they show.",
        {
            "radius_nm": _Number(
                "Reach",
                "Greatest distance of a fiducial from one frame to the next, in nm. Typical: 200 nm.",
                1.0,
                9999.0,
                200.0,
                " nm",
                0,
            ),
            "least_presence": _Number(
                "In at least",
                "Part of the frames in which a fiducial must be found. Typical: 0.8.",
                0.05,
                1.0,
                0.8,
                decimals=2,
            ),
        },
    ),
    FROM_FILE: _Step(
        "Take off drift of a file...",
        "Take off the drift that a file holds: our CSV (frame, x and y in nm) or Picasso's text.",
        {},
    ),
    FORMULA: _Step(
        "Uncertainties by formula",
        "Replace the uncertainties by those of a published formula, for comparison with other programs.",
        {
            "formula": _Choice(
                "Formula",
                "Rieger and Stallinga 2014; Mortensen et al. 2010, of maximum likelihood or of least "
                "squares; Thompson et al. 2002.",
                {
                    "rieger": "Rieger",
                    "mortensen-mle": "Mortensen, likelihood",
                    "mortensen-lsq": "Mortensen, squares",
                    "thompson": "Thompson",
                },
            ),
            "em_gain": _Number(
                "EM gain",
                "Of the camera, where the table does not tell it; 1 for no EM register. Typical: auto, as "
                "the table says.",
                0.0,
                9999.0,
                0.0,
                " ×",
                1,
                "auto",
            ),
        },
    ),
}
_COLUMNS = 2


class StepOptions(QWidget):
    """Lets the user choose a step and edit its settings."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.step = combo(
            {name: step.title for name, step in _STEPS.items()},
            "What is done next to the whole table. A filter stands above.",
        )
        self.fields: dict[str, dict[str, QWidget]] = {}
        self._getters: dict[str, dict[str, Callable[[], Any]]] = {}
        self.pages = QStackedWidget()
        for name, step in _STEPS.items():
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
        self.step.setToolTip(_STEPS[self.name].tip)

    def _page(self, name: str, step: _Step) -> QWidget:
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        place = 0
        for key, setting in step.settings.items():
            is_wide = isinstance(setting, _Choice)
            field, self._getters[name][key] = (
                _choice_field(setting) if isinstance(setting, _Choice) else _number_field(setting)
            )
            self.fields[name][key] = field
            field.setToolTip(setting.tip)
            label = QLabel(setting.label)
            label.setBuddy(field)
            where, side = divmod(place, _COLUMNS)
            grid.addWidget(label, where, 2 * side)
            grid.addWidget(field, where, 2 * side + 1, 1, 2 * _COLUMNS - 1 if is_wide else 1)
            grid.setColumnStretch(2 * side + 1, 1)
            place += _COLUMNS if is_wide else 1
        grid.setRowStretch(len(step.settings), 1)
        return page


def _choice_field(setting: _Choice) -> tuple[QWidget, Callable[[], Any]]:
    box: QComboBox = combo(setting.values, setting.tip)
    return box, box.currentData


def _number_field(setting: _Number) -> tuple[QWidget, Callable[[], Any]]:
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
    spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
    if not setting.none_text:
        return spin, spin.value
    spin.setSpecialValueText(setting.none_text)
    # "No limit" is the number 0 to the step, "auto" no number at all.
    without = 0 if setting.none_text == "no limit" else None
    return spin, lambda: without if spin.value() == spin.minimum() else spin.value()
