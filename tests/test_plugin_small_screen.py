"""The docks on a small screen: nothing that they show is cut off or out of sight."""

import numpy as np
import pytest
from molecules_dock import add_table, ready
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea
from test_plugin_helpers import add_movie, click, open_dock

from blinkspot.denoising import Course
from blinkspot.plugin.layers.rings import NO_PLACES
from blinkspot.plugin.localize.marking.looks import legend
from blinkspot.plugin.localize.marking.states import Marked, State
from blinkspot.plugin.train.training_steps import LossPoint

# What napari leaves to a dock on a screen of 1366 x 768 pixels, below its title and above its tab.
DOCK_PX = (368, 634)
LONG = "The job ended in a sentence that is so long that it does not fit into one line. " * 2


def open_small(qtbot, viewer, name):
    """Open a dock in a window that is on the screen."""
    viewer.show()
    dock = open_dock(viewer, name)
    dock.setFixedSize(*DOCK_PX)
    view = dock.findChild(QScrollArea)
    qtbot.waitUntil(lambda: view.viewport().height() > 500, timeout=5000)
    return dock


def check_all_is_seen(qtbot, dock):
    """Fail where the controls of a dock need more room than they have."""
    qtbot.wait(50)
    view = dock.findChild(QScrollArea)
    content = view.widget().minimumSizeHint()
    assert content.height() <= view.viewport().height()
    assert content.width() <= view.viewport().width()


def test_all_of_train_is_seen(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Train")
    options = dock.options
    check_all_is_seen(qtbot, dock)
    add_movie(viewer)
    dock.resume_button.show()
    for extent in ("until settled", "minutes", "epochs"):
        options.extent.setCurrentText(extent)
        check_all_is_seen(qtbot, dock)
    click(qtbot, options.more_button)
    check_all_is_seen(qtbot, dock)
    click(qtbot, options.more_button)
    dock.job_bar._show_running(True)
    dock._on_progressed(LossPoint(1.0, 2.0, 2.1, True, Course.RESTARTED.value))
    dock.job_bar.say(LONG)
    check_all_is_seen(qtbot, dock)
    viewer.add_image(np.random.default_rng(0).poisson(5.0, (12, 16, 16)).astype(np.uint16), name="other")
    dock.movies.setCurrentText("other")
    qtbot.waitUntil(lambda: "does not tell" in dock.camera.remark.text(), timeout=5000)
    dock.job_bar.say(LONG)
    check_all_is_seen(qtbot, dock)


def test_no_empty_loss_plot_takes_room_from_the_plot_of_the_noise(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Train")
    add_movie(viewer)
    assert dock.loss_plot.isHidden()
    click(qtbot, dock.camera.plot.button)
    check_all_is_seen(qtbot, dock)
    dock._on_progressed(LossPoint(1.0, 2.0, 2.1, True, Course.RESTARTED.value))
    assert not dock.loss_plot.isHidden()


def test_all_of_localize_is_seen_but_what_is_asked_for_by_more(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Localize")
    add_movie(viewer)
    check_all_is_seen(qtbot, dock)
    dock.options.accept.setCurrentIndex(1)
    states = (State.TRUE, State.FALSE, State.MISSED, State.BOTH, State.ONLY_NOISY, State.ONLY_DENOISED)
    marked = Marked(NO_PLACES, states * 12)
    for knows_truth in (True, False):
        dock.preview.counts.setText(legend(12345, marked, marked, knows_truth))
        check_all_is_seen(qtbot, dock)
    assert dock.options.astigmatism.isHidden()
    click(qtbot, dock.options.more_button)
    assert not dock.options.astigmatism.isHidden()


def test_all_of_molecules_is_seen(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Molecules")
    ready(qtbot, viewer, dock)
    check_all_is_seen(qtbot, dock)
    for index in range(dock.steps.step.count()):
        dock.steps.step.setCurrentIndex(index)
        check_all_is_seen(qtbot, dock)
    dock.filter.text.setText("photons > 100 & nonsense")
    qtbot.waitUntil(lambda: bool(dock.filter.error.text()), timeout=5000)
    dock.job_bar._show_running(True)
    dock.job_bar.say(LONG)
    check_all_is_seen(qtbot, dock)


def test_the_table_leaves_room_on_a_small_screen(qtbot, viewer):
    viewer.window.resize(1366, 768)
    viewer.show()
    dock = open_dock(viewer, "Molecules")
    ready(qtbot, viewer, dock)
    click(qtbot, dock.table_button)
    panel = dock.table_link.panel
    qtbot.waitUntil(lambda: panel.table.viewport().height() > 60, timeout=5000)
    window = viewer.window._qt_window
    qtbot.wait(100)
    assert window.height() <= 768
    assert window.width() <= 1366
    assert panel.height() < 260
    scroll = dock.findChild(QScrollArea)
    assert scroll.widget().minimumSizeHint().height() <= scroll.viewport().height()


@pytest.mark.parametrize("name", ["Train", "Denoise", "Localize", "Molecules", "Report"])
def test_a_scroll_bar_hides_nothing(qtbot, viewer, name):
    viewer.show()
    dock = open_dock(viewer, name)
    add_movie(viewer)
    if name == "Localize":
        dock.options.accept.setCurrentIndex(1)
        click(qtbot, dock.options.more_button)
    if name == "Denoise":
        dock.leftovers.show()
    dock.setFixedHeight(200)
    scroll = dock.findChild(QScrollArea)
    qtbot.waitUntil(scroll.verticalScrollBar().isVisible, timeout=5000)
    qtbot.waitUntil(lambda: scroll.widget().width() <= scroll.viewport().width(), timeout=5000)


def test_a_number_of_minutes_is_seen_whole(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Train")
    dock.options.extent.setCurrentText("minutes")
    dock.options.minutes.setValue(9999.0)
    qtbot.wait(50)
    line = dock.options.minutes.lineEdit()
    assert dock.options.minutes.text() == "9999.0 min"
    assert line.fontMetrics().horizontalAdvance(line.text()) < line.contentsRect().width()


def test_of_a_long_name_its_end_is_read(qtbot, viewer):
    dock = open_small(qtbot, viewer, "Molecules")
    layer = add_table(viewer)
    drawn = []
    for end in ("(noisy)", "(denoised)", "(noisy)"):
        layer.name = f"a movie of a very long name localizations {end}"
        qtbot.wait(20)
        drawn.append(dock.tables.grab().toImage())
    assert drawn[0] == drawn[2]
    assert drawn[0] != drawn[1]
    assert dock.tables.view().textElideMode() == Qt.TextElideMode.ElideMiddle
