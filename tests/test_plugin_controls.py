"""Every control says what it is for, every number its unit, and the Tab key reaches them in order."""

import itertools

import numpy as np
import pytest
from molecules_dock import add_table
from napari.components import ViewerModel
from napari.utils.theme import get_theme
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
)
from test_plugin_helpers import add_movie, model, wait_for_workers

from blinkspot.plugin.denoise.dock import DenoiseDock
from blinkspot.plugin.localize.dock import LocalizeDock
from blinkspot.plugin.molecules.dock import MoleculesDock
from blinkspot.plugin.report.dock import ReportDock
from blinkspot.plugin.session import session_of
from blinkspot.plugin.train.dock import TrainDock
from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE

CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
# Numbers of something that the label names: they have no unit.
COUNTS = {"Epochs", "Emitters per spot", "Neighbours", "Dark frames"}


def is_part(widget):
    """Whether a widget is only a part of a control of Qt's, or of a plot."""
    parent = widget.parent()
    names = set()
    while parent is not None:
        names |= {kind.__name__ for kind in type(parent).__mro__}
        if isinstance(parent, (QAbstractSpinBox, QComboBox, QLineEdit, QTabBar, QAbstractItemView)):
            return True
        parent = parent.parent()
    return bool(names & {"PlotWidget", "GraphicsView"})


def controls_of(dock):
    """Return what a user can click, type into or drag in a dock, whether it is seen now or not."""
    bar = dock.job_bar
    never_shown = None if bar._can_pause else bar.pause_button
    return [
        widget
        for kind in CONTROLS
        for widget in dock.findChildren(kind)
        if not isinstance(widget, QScrollBar) and not is_part(widget) and widget is not never_shown
    ]


def told(widget):
    text = widget.currentText() if isinstance(widget, QComboBox) else getattr(widget, "text", str)()
    return f"{type(widget).__name__} {widget.accessibleName()!r} {text!r}"


@pytest.fixture
def docks(qtbot):
    """All docks, with something to work on; each in a window of its own, where Tab stays within it."""
    viewer = ViewerModel()
    session_of(viewer).add_model("trained", model())
    opened = {}
    for kind in (TrainDock, DenoiseDock, LocalizeDock, MoleculesDock, ReportDock):
        opened[kind.title] = kind(viewer)
        qtbot.addWidget(opened[kind.title])
    add_movie(viewer)
    add_table(viewer)
    wait_for_workers(qtbot, timeout=60_000)
    return opened


def test_every_control_says_what_it_is_for_and_every_number_its_unit(docks):
    silent, bare = [], []
    for name, dock in docks.items():
        for control in controls_of(dock):
            if not control.toolTip():
                silent.append(f"{name}: {told(control)}")
            if isinstance(control, QAbstractSpinBox):
                has_unit = control.suffix().strip() or control.prefix().strip()
                if not has_unit and control.accessibleName() not in COUNTS:
                    bare.append(f"{name}: {told(control)}")
    assert "\n".join(silent) == ""
    assert "\n".join(bare) == ""


def test_coloured_words_can_be_read_in_every_theme():
    for theme in ("dark", "light"):
        behind = get_theme(theme).background.as_hex()
        assert min(contrast(colour, behind) for colour in (BLUE, ORANGE)) > 3.0


def contrast(one, other):
    """Return the contrast of two colours as WCAG 2 defines it: 3 is the least for large letters and signs."""
    lights = []
    for colour in (one, other):
        channels = np.array([QColor(colour).redF(), QColor(colour).greenF(), QColor(colour).blueF()])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(lights) / min(lights)


def chain(dock):
    """Return the controls in the order in which the Tab key comes to them."""
    found, widget = [], dock
    while (widget := widget.nextInFocusChain()) is not dock:
        takes_tab = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        if takes_tab and widget.isEnabled() and dock.isAncestorOf(widget) and widget.isVisibleTo(dock):
            found.append(widget)
    return [widget for widget in found if isinstance(widget, CONTROLS) and not is_part(widget)]


def test_tab_goes_through_a_dock_from_top_to_bottom(docks):
    wrong = []
    for name, dock in docks.items():
        dock.resize(400, 900)
        dock.grab()  # lays it out
        order = chain(dock)
        seen = [control for control in controls_of(dock) if control.isEnabled() and control.isVisibleTo(dock)]
        wrong += [f"{name}: not reached: {told(control)}" for control in seen if control not in order]
        places = [widget.mapTo(dock, QPoint(0, widget.height() // 2)) for widget in order]
        for i, (one, other) in enumerate(itertools.pairwise(places)):
            # Apply stands beside the name of the step, and comes after its settings.
            if order[i + 1] is docks["Molecules"].apply_button:
                continue
            if other.y() < one.y() - 12 or (abs(other.y() - one.y()) <= 12 and other.x() < one.x()):
                wrong.append(f"{name}: {told(order[i])} -> {told(order[i + 1])}")
    assert "\n".join(wrong) == ""
