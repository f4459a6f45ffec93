"""The camera of a movie: where its values come from, and how they are edited."""

import dataclasses
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QFocusEvent
from qtpy.QtWidgets import QApplication
from test_plugin_helpers import CAMERA, click, gated, movie, notifications, wait_for_workers

from blinkspot.camera import Camera
from blinkspot.camera.maps import CameraMaps
from blinkspot.camera_from_movie.estimate import CameraEstimate
from blinkspot.errors import BlinkspotError
from blinkspot.movies.stack import Stack
from blinkspot.plugin.camera import evidence_keeper
from blinkspot.plugin.camera import keeper as keeper_module
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.maps_choice import ChosenMaps
from blinkspot.plugin.camera.record import CameraRecord, Origin, Source
from blinkspot.plugin.camera.widget import CameraWidget
from blinkspot.plugin.layers.movies import movie_layer
from blinkspot.plugin.widgets import file_dialogs

ESTIMATE = CameraEstimate(200.0, 12.0, 20.0, 1.0, 110.0, 3.0)


def adu_per_count(camera):
    return camera.em_gain * camera.excess_noise_factor / camera.electrons_per_adu


def make_layer(hints=None, data=None):
    from napari.layers import Image

    data, state, _ = movie_layer(Stack(movie() if data is None else data, camera_hints=hints or {}), "movie")
    return Image(data, **state)


@pytest.fixture
def keeper(qtbot):
    keeper = CameraKeeper()
    yield keeper
    wait_for_workers(qtbot)


@pytest.fixture
def widget(qtbot, keeper):
    widget = CameraWidget(keeper)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@given(gain=st.floats(1, 1000), slope=st.floats(0.1, 500), relative_error=st.floats(1e-3, 0.1))
def test_an_em_gain_that_is_typed_leaves_the_measured_noise(gain, slope, relative_error):
    estimate = CameraEstimate(200.0, 12.0, slope, relative_error * slope, 110.0, 3.0)
    record = CameraRecord().with_estimate(estimate).typed("em_gain", gain)
    assert adu_per_count(record.camera) == pytest.approx(slope)
    conversion = record.source("electrons_per_adu")
    assert conversion.error / record.camera.electrons_per_adu == pytest.approx(relative_error)


@given(gain=st.floats(1, 1000), read_noise=st.floats(0.0, 20.0), first=st.booleans())
def test_read_noise_that_is_typed_is_not_counted_beside_that_in_the_offset(gain, read_noise, first):
    record = CameraRecord().with_estimate(ESTIMATE)
    typed = [("em_gain", gain), ("read_noise_electrons", read_noise)]
    for name, value in typed if first else typed[::-1]:
        record = record.typed(name, value)
    # Variance, in counts that are to be Poisson's, at any level: as measured.
    variance = ESTIMATE.adu_per_count * (200.0 - ESTIMATE.offset_adu) / adu_per_count(record.camera) ** 2
    assert float(record.camera.counts(200.0)) == pytest.approx(variance, rel=1e-4)


def test_read_noise_that_is_given_stays_when_an_estimate_comes():
    before = CameraRecord().typed("em_gain", 150.0).typed("read_noise_electrons", 50.0)
    after = CameraRecord().with_estimate(ESTIMATE).typed("em_gain", 150.0).typed("read_noise_electrons", 50.0)
    found = before.with_estimate(ESTIMATE)
    assert found.source("read_noise_electrons").origin is Origin.TYPED
    assert found.camera.offset_adu == pytest.approx(after.camera.offset_adu)
    assert dataclasses.replace(found.camera, offset_adu=0.0) == dataclasses.replace(
        after.camera, offset_adu=0.0
    )


@pytest.mark.parametrize("when", ["before the estimate", "between", "after it"])
def test_read_noise_of_an_em_camera_may_be_typed_before_its_gain(when):
    # At a gain of 1 it would be more than all noise, and the offset far beyond its range.
    read, gain = ("read_noise_electrons", 3000.0), ("em_gain", 300.0)
    expected = CameraRecord().typed(*gain).typed(*read).with_estimate(ESTIMATE).camera
    record = CameraRecord()
    for step in {
        "before the estimate": (read, gain, None),
        "between": (read, None, gain),
        "after it": (None, read, gain),
    }[when]:
        record = record.with_estimate(ESTIMATE) if step is None else record.typed(*step)
    assert record.camera.as_dict() == pytest.approx(expected.as_dict(), rel=1e-6)


def test_beside_a_known_offset_the_conversion_leaves_room_for_read_noise():
    known = Camera(offset_adu=100.0, electrons_per_adu=0.5, read_noise_electrons=6.0)
    light, read = 20.0 / 0.5, (6.0 / 0.5) ** 2
    estimate = CameraEstimate(100.0 + light, 1.0, (2.0 * light + read) / light, 0.1, 100.0, 0.0)
    record = CameraRecord().typed("offset_adu", 100.0).typed("read_noise_electrons", 6.0)
    found = record.with_estimate(estimate).camera
    assert found.electrons_per_adu == pytest.approx(known.electrons_per_adu)
    assert found.read_noise_electrons == 6.0


def test_a_conversion_that_was_typed_does_not_change_with_the_gain():
    record = CameraRecord().typed("electrons_per_adu", 12.0).typed("em_gain", 150.0)
    assert record.camera.electrons_per_adu == 12.0


def test_an_estimate_says_what_it_is_and_how_sure():
    record = CameraRecord().with_estimate(ESTIMATE)
    assert record.camera.offset_adu == 110.0
    assert record.source("offset_adu").origin is Origin.ESTIMATED
    assert record.source("offset_adu").error == 3.0
    assert record.source("electrons_per_adu").error == pytest.approx(0.05 / 20.0)
    assert set(record.unknown) == {"pixel_size_nm", "em_gain"}


def test_what_cannot_be_estimated_stays_and_is_said():
    before = CameraRecord().typed("pixel_size_nm", 80.0)
    record = before.with_estimate(CameraEstimate(200.0, 12.0, reason="the background is too even"))
    assert record.camera == before.camera
    assert "the background is too even" in record.remark


def test_the_file_s_values_are_taken_and_nothing_is_estimated_where_all_is_known(keeper):
    layer = make_layer(CAMERA.as_dict())
    keeper.ensure(layer)
    assert keeper.record(layer).camera == CAMERA
    assert not keeper.is_estimating(layer)


def test_what_the_file_does_not_say_is_estimated_with_the_offset_that_it_says(qtbot, keeper):
    layer = make_layer({"offset_adu": 100.0, "em_gain": 150.0}, movie(120, 64))
    keeper.ensure(layer)
    assert keeper.is_estimating(layer)
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer), timeout=10_000)
    record = keeper.record(layer)
    assert record.camera.offset_adu == 100.0
    assert record.source("offset_adu").origin is Origin.FILE
    assert record.source("electrons_per_adu").origin is Origin.ESTIMATED
    assert record.camera.electrons_per_adu == pytest.approx(12.0, rel=0.2)


def test_values_are_shown_with_unit_and_source(widget, keeper):
    layer = make_layer()
    keeper.set(
        layer,
        CameraRecord().with_values({"pixel_size_nm": 108.0}, Source(Origin.FILE)).with_estimate(ESTIMATE),
    )
    widget.show_layer(layer)
    assert widget.fields["pixel_size_nm"].text() == "108.00 nm"
    assert widget.origins["pixel_size_nm"].text() == "from the file"
    assert widget.fields["offset_adu"].text() == "110.00 ADU"
    assert widget.origins["offset_adu"].text() == "est. ± 3"
    assert "estimated from the movie" in widget.origins["offset_adu"].toolTip().lower()
    assert widget.origins["em_gain"].text() == "please check"
    assert widget.fields["electrons_per_adu"].text() == "0.0500 e⁻/ADU"


def test_typing_a_value_sets_it_for_all_docks(qtbot, widget, keeper):
    layer = make_layer()
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    other = CameraWidget(keeper)
    qtbot.addWidget(other)
    other.show_layer(layer)
    field = widget.fields["offset_adu"]
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field, "414")
    qtbot.keyClick(field, "\r")
    assert keeper.record(layer).camera.offset_adu == 414.0
    assert widget.origins["offset_adu"].text() == "typed"
    assert other.fields["offset_adu"].value() == 414.0


def test_a_value_that_is_right_as_it_stands_is_confirmed_by_enter(qtbot, widget, keeper):
    layer = make_layer(data=movie(120, 64))
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    assert widget.origins["offset_adu"].text() == "please check"
    qtbot.keyClick(widget.fields["offset_adu"], Qt.Key.Key_Return)
    assert widget.origins["offset_adu"].text() == "typed"
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer), timeout=10_000)


def press_enter(qtbot, field):
    qtbot.keyClick(field.lineEdit(), Qt.Key.Key_Return)


def leave(qtbot, field):
    QApplication.sendEvent(field, QFocusEvent(QEvent.Type.FocusOut))


@pytest.mark.parametrize("end", [press_enter, leave])
def test_what_is_half_typed_stays_when_an_estimate_comes(qtbot, widget, keeper, end):
    layer = make_layer(CAMERA.as_dict())
    widget.show_layer(layer)
    field = widget.fields["em_gain"]
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field.lineEdit(), "30")
    keeper.set(layer, CameraRecord().with_estimate(ESTIMATE))
    assert widget.fields["offset_adu"].value() == ESTIMATE.offset_adu
    qtbot.keyClicks(field.lineEdit(), "0")
    end(qtbot, field)
    assert keeper.record(layer).camera.em_gain == field.value() == 300.0
    assert keeper.record(layer).source("em_gain").origin is Origin.TYPED
    # From then on the field follows its movie again.
    keeper.set(layer, CameraRecord().with_values({"em_gain": 50.0}, Source(Origin.FILE)))
    assert field.value() == 50.0


def test_what_is_half_typed_is_not_taken_for_another_movie(qtbot, widget, keeper):
    layers = [make_layer({**CAMERA.as_dict(), "em_gain": gain}) for gain in (20.0, 40.0)]
    widget.show_layer(layers[0])
    field = widget.fields["em_gain"]
    field.setFocus()
    field.selectAll()
    qtbot.keyClicks(field.lineEdit(), "30")
    widget.show_layer(layers[1])
    assert field.value() == 40.0
    leave(qtbot, field)
    assert keeper.record(layers[1]).source("em_gain").origin is Origin.FILE
    assert [keeper.record(layer).camera.em_gain for layer in layers] == [20.0, 40.0]


def test_with_the_offset_typed_the_conversion_is_measured(qtbot, keeper):
    layer = make_layer(data=movie(120, 64))
    keeper.set(layer, CameraRecord(remark="The movie does not tell its camera."))
    keeper.type(layer, "offset_adu", 100.0)
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer), timeout=10_000)
    keeper.type(layer, "em_gain", 150.0)
    record = keeper.record(layer)
    assert record.source("electrons_per_adu").origin is Origin.ESTIMATED
    assert record.camera.electrons_per_adu == pytest.approx(12.0, rel=0.2)
    assert record.camera.offset_adu == 100.0
    assert record.remark == ""


def test_beside_a_known_offset_read_noise_and_gain_are_typed_in_any_order(qtbot, keeper):
    found = []
    typed = [("em_gain", 150.0), ("read_noise_electrons", 50.0)]
    for order in (typed, typed[::-1]):
        layer = make_layer(data=movie(120, 64))
        keeper.set(layer, CameraRecord().typed("offset_adu", 100.0))
        for name, value in order:
            keeper.type(layer, name, value)
            qtbot.waitUntil(lambda layer=layer: not keeper.is_estimating(layer), timeout=10_000)
        found.append(keeper.record(layer).camera.electrons_per_adu)
    assert found[0] == pytest.approx(12.0, rel=0.2)
    assert found[1] == pytest.approx(found[0])


def test_what_is_set_while_the_camera_is_estimated_stays(qtbot, keeper):
    layer = make_layer(data=movie(120, 64))
    keeper.ensure(layer)
    assert keeper.is_estimating(layer)
    record = CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.LOADED))
    keeper.set(layer, record)
    assert not keeper.is_estimating(layer)
    wait_for_workers(qtbot)
    qtbot.wait(20)
    assert keeper.record(layer) == record


def test_a_movie_that_was_replaced_meanwhile_is_the_one_that_is_estimated(qtbot, keeper, monkeypatch):
    brighter = (movie().astype(np.uint16) - 100) * 3 + 100
    layer, other = make_layer(), make_layer(data=brighter)
    gate = gated(monkeypatch, keeper_module, "measure_camera")
    for each in (layer, other):
        keeper.set(each, CameraRecord().typed("offset_adu", 100.0))
        keeper.estimate(each, keep_offset=True)
    layer.data = other.data
    gate.set()
    qtbot.waitUntil(lambda: not any(map(keeper.is_estimating, (layer, other))), timeout=30_000)
    assert keeper.record(layer).source("electrons_per_adu").origin is Origin.ESTIMATED
    assert keeper.record(layer).camera == keeper.record(other).camera


class Answers:
    """Answers of an estimate, each given when it may."""

    def __init__(self, *answers):
        self.answers, self.asked, self.may = answers, 0, threading.Semaphore(0)

    def __call__(self, *_):
        self.asked += 1
        assert self.may.acquire(timeout=30)
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_movie_that_grows_all_the_time_gets_its_camera(qtbot, keeper, monkeypatch):
    layer, answers = make_layer(data=movie()[:10]), Answers(ESTIMATE)
    monkeypatch.setattr(keeper_module, "measure_camera", answers)
    keeper.set(layer, CameraRecord())
    keeper.estimate(layer, keep_offset=True)
    for n_frames in (11, 12):
        qtbot.waitUntil(lambda asked=n_frames - 10: answers.asked == asked)
        layer.data = movie()[:n_frames]
        answers.may.release()
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer))
    assert answers.asked == 2
    assert keeper.record(layer).source("offset_adu").origin is Origin.ESTIMATED


@pytest.mark.parametrize("answer", [ESTIMATE, BlinkspotError("Too dark.")])
def test_what_comes_of_the_movie_before_is_not_said_of_the_next(qtbot, keeper, monkeypatch, answer):
    layer = make_layer(data=movie()[:10])
    other = dataclasses.replace(ESTIMATE, offset_adu=120.0)
    answers = Answers(answer, other)
    monkeypatch.setattr(keeper_module, "measure_camera", answers)
    keeper.set(layer, CameraRecord())
    keeper.estimate(layer, keep_offset=True)
    layer.data = movie()
    answers.may.release(2)
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer))
    assert (keeper.record(layer).remark, keeper.record(layer).camera.offset_adu) == ("", 120.0)


def test_nobody_is_told_where_what_came_is_no_movie(qtbot, keeper, monkeypatch):
    layer, answers = make_layer(data=movie()[:10]), Answers(ESTIMATE)
    monkeypatch.setattr(keeper_module, "measure_camera", answers)
    with notifications() as told:
        keeper.estimate(layer, keep_offset=True)
        layer.data = movie()[:1]
        answers.may.release()
        qtbot.waitUntil(lambda: not keeper.is_estimating(layer))
    assert told == []


def test_what_a_movie_says_is_known_when_it_is_put_back(qtbot, keeper, monkeypatch):
    layer = make_layer()
    first = layer.data
    gate = gated(monkeypatch, evidence_keeper, "camera_evidence")
    keeper.evidence.ensure(layer)
    layer.data = movie() * 3
    gate.set()
    wait_for_workers(qtbot)
    qtbot.wait(50)
    assert keeper.evidence.of(layer) is None
    layer.data = first
    keeper.evidence.ensure(layer)
    wait_for_workers(qtbot)
    qtbot.waitUntil(lambda: keeper.evidence.of(layer) is not None)


def test_a_camera_without_offset_or_conversion_is_not_used():
    record = CameraRecord().typed("pixel_size_nm", 80.0).typed("electrons_per_adu", 2.0)
    with pytest.raises(BlinkspotError, match="offset and conversion are needed"):
        record.check_complete()
    record.typed("offset_adu", 100.0).check_complete()
    CameraRecord().with_estimate(ESTIMATE).check_complete()


def test_the_field_s_rounding_does_not_change_the_value(widget, keeper):
    layer = make_layer()
    keeper.set(layer, CameraRecord().with_values({"electrons_per_adu": 0.051588054}, Source(Origin.FILE)))
    widget.show_layer(layer)
    widget.fields["offset_adu"].setValue(5.0)
    assert widget.camera == Camera(offset_adu=5.0, electrons_per_adu=0.051588054)


def test_the_estimate_button_measures_the_movie(qtbot, widget, keeper):
    layer = make_layer(data=movie(120, 64))
    keeper.set(layer, CameraRecord().typed("em_gain", 150.0).typed("offset_adu", 100.0))
    widget.show_layer(layer)
    click(qtbot, widget.estimate_button)
    assert widget.estimate_button.text() == "Estimating..."
    qtbot.waitUntil(lambda: widget.estimate_button.isEnabled(), timeout=10_000)
    assert keeper.record(layer).camera.electrons_per_adu == pytest.approx(12.0, rel=0.25)


def test_a_camera_goes_to_a_file_and_comes_back(qtbot, widget, keeper, tmp_path, monkeypatch):
    layer = make_layer()
    keeper.set(layer, CameraRecord().with_values(CAMERA.as_dict(), Source(Origin.TYPED)))
    widget.show_layer(layer)
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "camera.toml")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "camera.toml")
    widget.save_button.menu().actions()[0].trigger()
    assert Camera.load(tmp_path / "camera.toml") == CAMERA
    with notifications() as shown:
        widget.save_button.menu().actions()[0].trigger()
    assert "exists already" in shown[0][1]
    keeper.set(layer, CameraRecord())
    widget.load_button.menu().actions()[0].trigger()
    assert keeper.record(layer).camera == CAMERA
    assert widget.origins["em_gain"].text() == "loaded"


def test_a_file_that_is_no_camera_is_refused(qtbot, widget, keeper, tmp_path, monkeypatch):
    layer = make_layer()
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    path = tmp_path / "camera.toml"
    path.write_text("offset = 12\n")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: path)
    with notifications() as shown:
        widget.load_button.menu().actions()[0].trigger()
    assert "unknown entry 'offset'" in shown[0][1]
    assert keeper.record(layer).camera == Camera()


def test_without_a_movie_there_is_nothing_to_edit(widget):
    widget.show_layer(None)
    assert not widget.isEnabled()


# -- maps


def chip_maps():
    """The maps of a chip of 60 x 72 pixels."""
    rng = np.random.default_rng(1)
    variance = 4.0 * np.exp(rng.normal(0.0, 1.0, (60, 72)))
    return CameraMaps(rng.normal(100.0, 2.0, (60, 72)), variance, rng.normal(2.0, 0.05, (60, 72)), "chip.npy")


def scmos_layer(chip, top=4, left=7):
    """A movie of 48 x 48 pixels of the chip, under 8 electrons of light."""
    maps = chip.window(top, left, 48, 48)
    rng = np.random.default_rng(2)
    adu = rng.poisson(8.0, (60, 48, 48)) * maps.adu_per_electron + maps.offset_adu
    adu += rng.normal(0.0, 1.0, adu.shape) * np.sqrt(maps.variance_adu2)
    return make_layer(data=np.rint(adu).astype(np.uint16))


@pytest.fixture
def mapped(qtbot, widget, keeper, tmp_path, monkeypatch):
    """The form with maps that were chosen from a file; they are those of the movie at row 4, column 7."""
    chip, layer = chip_maps(), scmos_layer(chip_maps())
    keeper.set(layer, CameraRecord().with_values({"pixel_size_nm": 108.0}, Source(Origin.FILE)))
    widget.show_layer(layer)
    assert widget.maps.button.text() == "Choose..."
    assert not widget.maps.details.isVisible()
    chip.save(tmp_path / "chip.npy")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "chip.npy")
    click(qtbot, widget.maps.button)
    qtbot.waitUntil(lambda: not keeper.is_estimating(layer), timeout=10_000)
    return widget


def settle(qtbot, widget):
    qtbot.waitUntil(widget.estimate_button.isEnabled, timeout=10_000)


def test_maps_are_chosen_from_a_file_and_the_part_of_them_is_told(qtbot, mapped):
    chip = chip_maps()
    assert mapped.maps.button.text() == "chip.npy"
    assert mapped.camera.maps == chip.window(0, 0, 48, 48)
    assert (mapped.maps.top.maximum(), mapped.maps.left.maximum()) == (12, 24)
    mapped.maps.top.setValue(4)
    mapped.maps.left.setValue(7)
    settle(qtbot, mapped)
    assert mapped.camera == Camera(pixel_size_nm=108.0, maps=chip.window(4, 7, 48, 48))
    assert mapped.checked_camera() is mapped.camera
    assert mapped.origins["offset_adu"].text() == "of the maps"
    assert mapped.fields["offset_adu"].value() == pytest.approx(mapped.camera.offset_adu, abs=0.01)
    assert not mapped.fields["electrons_per_adu"].isEnabled()
    assert not mapped.fields["read_noise_electrons"].isEnabled()
    assert mapped.remark.text() == ""


def test_transposed_maps_are_told_and_turned(qtbot, widget, keeper):
    chip = chip_maps().window(4, 7, 48, 48)
    layer = scmos_layer(chip, 0, 0)
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    keeper.set_maps(layer, ChosenMaps(chip.transposed()))
    settle(qtbot, widget)
    assert "only with rows and columns exchanged" in widget.remark.text()
    # All of the chip: there is no place to choose.
    assert not widget.maps.top.isVisible()
    widget.maps.transposed.setChecked(True)
    settle(qtbot, widget)
    assert widget.camera.maps == chip
    assert widget.remark.text() == ""


def test_maps_that_fit_in_size_only_transposed_are_turned():
    chip = chip_maps()
    assert ChosenMaps.for_frames(chip, 70, 50).transposed
    assert ChosenMaps.for_frames(chip, 70, 50).of_frames(70, 50) == chip.transposed().window(0, 0, 70, 50)
    assert not ChosenMaps.for_frames(chip, 50, 50).transposed
    assert not ChosenMaps.for_frames(chip, 500, 500).transposed


def test_an_offset_moves_the_maps_and_stays_when_another_part_is_chosen(qtbot, mapped):
    mapped.fields["offset_adu"].setValue(120.0)
    assert mapped.origins["offset_adu"].text() == "typed"
    assert mapped.camera.maps == chip_maps().window(0, 0, 48, 48).moved_to(120.0)
    mapped.maps.top.setValue(4)
    settle(qtbot, mapped)
    assert mapped.camera.offset_adu == pytest.approx(120.0, abs=1e-3)
    assert mapped.origins["offset_adu"].text() == "typed"
    pattern = mapped.camera.maps.offset_adu - chip_maps().window(4, 0, 48, 48).offset_adu
    assert np.ptp(pattern) < 1e-3


def test_a_level_that_has_moved_is_remarked_on_and_estimated_when_asked(qtbot, widget, keeper):
    chip = chip_maps()
    layer = scmos_layer(chip)
    keeper.set(layer, CameraRecord())
    widget.show_layer(layer)
    keeper.set_maps(layer, ChosenMaps(chip.moved_to(90.0), top=4, left=7))
    settle(qtbot, widget)
    assert widget.camera.offset_adu == pytest.approx(90.0, abs=0.5)
    assert "press Estimate" in widget.remark.text()
    click(qtbot, widget.estimate_button)
    settle(qtbot, widget)
    assert widget.camera.offset_adu == pytest.approx(100.0, abs=1.5)
    assert widget.origins["offset_adu"].text().startswith("est. ±")
    assert widget.remark.text() == ""


def test_maps_are_removed(qtbot, mapped, keeper):
    click(qtbot, mapped.maps.remove_button)
    settle(qtbot, mapped)
    assert mapped.camera.maps is None
    assert mapped.camera.pixel_size_nm == 108.0
    assert mapped.fields["electrons_per_adu"].isEnabled()
    assert not mapped.maps.details.isVisible()
    assert mapped.origins["electrons_per_adu"].text() in ("please check", "est.") or mapped.remark.text()


def test_maps_that_are_too_small_or_none_are_refused(qtbot, mapped, tmp_path):
    before = mapped.camera
    chip_maps().window(0, 0, 40, 40).save(tmp_path / "small.npy")
    (tmp_path / "text.npy").write_text("no maps")
    for name, words in (("small.npy", "is not within the camera's maps of 40 x 40"), ("text.npy", "damaged")):
        with notifications() as shown:
            mapped.maps.load(tmp_path / name)
        assert words in shown[0][1]
        assert mapped.camera == before
        assert mapped.maps.button.text() == "chip.npy"


def test_a_camera_with_maps_goes_to_a_file_and_comes_back(qtbot, mapped, keeper, tmp_path, monkeypatch):
    camera = mapped.camera
    monkeypatch.setattr(file_dialogs, "ask_save", lambda *_: tmp_path / "camera.toml")
    monkeypatch.setattr(file_dialogs, "ask_open", lambda *_: tmp_path / "camera.toml")
    mapped.save_button.menu().actions()[0].trigger()
    click(qtbot, mapped.maps.remove_button)
    settle(qtbot, mapped)
    mapped.load_button.menu().actions()[0].trigger()
    assert mapped.camera == camera
    assert mapped.maps.button.text() == "camera_maps.npy"
    # A file without maps takes them away.
    dataclasses.replace(camera, maps=None).save(tmp_path / "plain.toml")
    mapped.load(tmp_path / "plain.toml")
    assert mapped.camera == dataclasses.replace(camera, maps=None)


def test_a_camera_with_maps_is_certain():
    record = CameraRecord().with_maps(ChosenMaps(chip_maps()), 48, 48)
    assert record.lacks == ()
    assert not record.is_certain
    record = record.typed("pixel_size_nm", 108.0).typed("em_gain", 1.0)
    assert record.is_certain
    record.check_complete()
