"""A name too long for its box is drawn so that what names differ in is seen."""

from blinkspot.plugin.docks.model_choice import ModelChoice
from blinkspot.plugin.layers.layer_choice import LayerChoice
from blinkspot.plugin.widgets.name_box import NameBox


def test_names_that_differ_at_their_ends_look_unlike(qtbot):
    def drawn(name):
        box = NameBox()
        qtbot.addWidget(box)
        box.addItem(name)
        box.resize(120, box.sizeHint().height())
        return box.grab().toImage()

    long = "a_movie_of_a_name_that_is_far_too_long_"
    assert drawn(f"{long}1") == drawn(f"{long}1")
    assert drawn(f"{long}1") != drawn(f"{long}2")


def test_layers_and_models_are_chosen_so():
    assert issubclass(LayerChoice, NameBox)
    assert issubclass(ModelChoice, NameBox)
