"""The editor of a movie's camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari.components import ViewerModel
from napari.layers import Layer
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from blinkspot.camera import Camera
from blinkspot.errors import BlinkspotError
from blinkspot.plugin.camera.keeper import CameraKeeper
from blinkspot.plugin.camera.maps_choice import ChosenMaps
from blinkspot.plugin.camera.maps_editor import MapsEditor
from blinkspot.plugin.camera.menus import LoadCameraButton, SaveCameraButton
from blinkspot.plugin.camera.plot import CameraPlot
from blinkspot.plugin.camera.record import OF_ANY_CAMERA, CameraRecord, Origin, Source
from blinkspot.plugin.camera.warning import CameraWarning
from blinkspot.plugin.jobs.notify import tell_error
from blinkspot.plugin.layers.movies import stack_of
from blinkspot.plugin.widgets.forms import without_buttons
from blinkspot.plugin.widgets.themed_plot import BLUE, ORANGE


@dataclass(frozen=True)
class _Field:
    name: str
    label: str
    unit: str
    low: float
    high: float
    decimals: int
    step: float
    tip: str


_FIELDS = (
    _Field(
        "pixel_size_nm", "Pixel size", " nm", 1.0, 10_000.0, 2, 1.0,
        "Size of a pixel in the sample: the chip's pixel over the magnification. Typical: 80 to 160 nm.",
    ),
    _Field(
        "offset_adu", "Offset", " ADU", -1e6, 1e6, 2, 1.0,
        "Mean value of a pixel without light (baseline, bias). Typical: 100 to 500 ADU.",
    ),
    _Field(
        "electrons_per_adu", "Conversion", " e⁻/ADU", 1e-4, 1e6, 4, 0.1,
        "Electrons (after EM multiplication) for one step of the file's numbers, as in the data sheet. "
        "Typical: 0.2 to 0.5 for sCMOS, 4 to 16 for EM-CCD.",
    ),
    _Field(
        "em_gain", "EM gain", " ×", 1.0, 10_000.0, 1, 10.0,
        "Mean gain of the EM register, as set in the acquisition; 1 for a camera without one. "
        "Typical: 100 to 300 for EM-CCD.",
    ),
    _Field(
        "read_noise_electrons", "Read noise", " e⁻", 0.0, 10_000.0, 2, 0.5,
        "Standard deviation of the read noise, electrons (after EM multiplication), as in the data sheet. "
        "Typical: 1 to 2 for sCMOS; 20 to 90 for EM-CCD, where the gain makes it small.",
    ),
)  # fmt: skip

_SHORT = {
    Origin.DEFAULT: "please check",
    Origin.ESTIMATED: "est.",
    Origin.LOADED: "loaded",
    Origin.MAPS: "of the maps",
}
_COLOURS = {Origin.DEFAULT: ORANGE, Origin.ESTIMATED: BLUE}


class CameraWidget(QWidget):
    """Shows and edits the camera of one movie; each value says where it came from.

    Parameters
    ----------
    keeper : CameraKeeper
        Keeps the cameras of the viewer's movies.
    viewer : ViewerModel, optional
        Whose theme the plot of the noise follows; without it there is no plot.

    Signals
    -------
    changed : Camera
        The camera of the movie shown was changed, by whomever.
    """

    changed = Signal(object)

    def __init__(
        self, keeper: CameraKeeper, viewer: ViewerModel | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._keeper = keeper
        self._layer: Layer | None = None
        self._edited: set[str] = set()
        self.fields: dict[str, QDoubleSpinBox] = {}
        self.origins: dict[str, QLabel] = {}
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(3)
        for row, field in enumerate(_FIELDS):
            label = QLabel(field.label)
            label.setToolTip(field.tip)
            layout.addWidget(label, row, 0)
            layout.addWidget(self._spin_box(field), row, 1)
            origin = QLabel()
            # Long texts give way (their tooltip has all of them): a dock must not grow wider than its place.
            origin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            self.origins[field.name] = origin
            layout.addWidget(origin, row, 2)
        layout.setColumnStretch(1, 6)
        layout.setColumnStretch(2, 5)
        self.maps = MapsEditor(self)
        self.maps.changed.connect(self._on_maps)
        row = len(_FIELDS)
        layout.addWidget(self.maps.label, row, 0)
        layout.addWidget(self.maps.button, row, 1)
        layout.addWidget(self.maps.beside, row, 2)
        layout.addWidget(self.maps.details, row + 1, 0, 1, 3)
        buttons = self._buttons()
        layout.addLayout(buttons, row + 2, 0, 1, 3)
        self.remark = QLabel()
        self.remark.setWordWrap(True)
        layout.addWidget(self.remark, row + 3, 0, 1, 3)
        self.warning = CameraWarning()
        layout.addWidget(self.warning, row + 4, 0, 1, 3)
        self.plot: CameraPlot | None = None
        if viewer is not None:
            self.plot = CameraPlot(viewer)
            buttons.insertWidget(1, self.plot.button)
            QWidget.setTabOrder(self.estimate_button, self.plot.button)
            layout.addWidget(self.plot, row + 5, 0, 1, 3)
        keeper.changed.connect(self._on_kept)
        keeper.estimating_changed.connect(self._on_kept)
        keeper.evidence.measured.connect(self._on_kept)
        self.show_layer(None)

    @property
    def camera(self) -> Camera:
        """The camera of the movie shown."""
        return self._record.camera

    def checked_camera(self) -> Camera:
        """Return the camera of the movie shown, if what the noise depends on is known.

        Raises
        ------
        BlinkspotError
            If it is not.
        """
        self._record.check_complete()
        return self._record.camera

    def show_layer(self, layer: Layer | None) -> None:
        """Show and edit the camera of this movie."""
        if layer is not self._layer:
            self._edited.clear()
        self._layer = layer
        if layer is not None:
            self._keeper.ensure(layer)
            self._keeper.evidence.ensure(layer)
        self._refresh()

    @property
    def _record(self) -> CameraRecord:
        record = None if self._layer is None else self._keeper.record(self._layer)
        return record or CameraRecord()

    def _spin_box(self, field: _Field) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(field.low, field.high)
        box.setDecimals(field.decimals)
        box.setSingleStep(field.step)
        box.setSuffix(field.unit)
        box.setToolTip(field.tip)
        box.setKeyboardTracking(False)
        # napari's buttons would hide the unit, and these values are typed, not stepped.
        without_buttons(box)
        box.setAccessibleName(field.label)
        box.valueChanged.connect(lambda value, name=field.name: self._on_typed(name, value))
        # A value that is typed as it stands already, or that Enter is pressed on, is confirmed.
        line = box.lineEdit()
        assert line is not None
        line.textEdited.connect(lambda _, name=field.name: self._edited.add(name))
        line.returnPressed.connect(lambda name=field.name: self._on_typed(name, self.fields[name].value()))
        box.editingFinished.connect(lambda name=field.name: self._on_finished(name))
        self.fields[field.name] = box
        return box

    def _buttons(self) -> QHBoxLayout:
        self.estimate_button = QPushButton("Estimate")
        self.estimate_button.setToolTip(
            "Measure offset and conversion from the movie: in the background, the variance of a pixel grows "
            "in a straight line with its mean."
        )
        self.estimate_button.clicked.connect(self._estimate)
        self.load_button = LoadCameraButton(self._keeper.remembered)
        self.load_button.file_chosen.connect(self.load)
        self.load_button.remembered_chosen.connect(self.recall)
        self.save_button = SaveCameraButton(self._keeper.remembered)
        row = QHBoxLayout()
        for button in (self.estimate_button, self.load_button, self.save_button):
            row.addWidget(button)
        return row

    def _on_typed(self, name: str, value: float) -> None:
        if self._layer is not None:
            self._keeper.type(self._layer, name, value)

    def _on_finished(self, name: str) -> None:
        if name in self._edited:
            self._edited.discard(name)
            self._on_typed(name, self.fields[name].value())

    def _on_maps(self, chosen: ChosenMaps | None) -> None:
        if self._layer is None:
            return
        try:
            self._keeper.set_maps(self._layer, chosen)
        except BlinkspotError as error:
            tell_error(error, "Setting the camera's maps")
            self._refresh()

    def _on_kept(self, layer: Layer) -> None:
        if layer is self._layer:
            self._refresh()

    def _refresh(self) -> None:
        record = self._record
        estimating = self._layer is not None and self._keeper.is_estimating(self._layer)
        self.setEnabled(self._layer is not None)
        self.estimate_button.setEnabled(not estimating)
        self.estimate_button.setText("Estimating..." if estimating else "Estimate")
        for name, box in self.fields.items():
            # What is half typed stays: an estimate may come meanwhile.
            if name not in self._edited:
                # The record keeps the exact value: the field's rounding must not come back as typed.
                box.blockSignals(True)
                box.setValue(getattr(record.camera, name))
                box.blockSignals(False)
            box.setEnabled(record.chosen is None or name in OF_ANY_CAMERA)
            self._show_origin(self.origins[name], record.source(name), box)
        self.maps.show_maps(record.chosen, self._frame_size())
        self.remark.setText(record.remark)
        self.remark.setVisible(bool(record.remark))
        evidence = None if self._layer is None else self._keeper.evidence.of(self._layer)
        self.warning.show_evidence(evidence, record)
        if self.plot is not None:
            self.plot.show_evidence(evidence, record)
        self.save_button.show_camera(record.camera, self._name)
        self.changed.emit(record.camera)

    @property
    def _name(self) -> str:
        """What the movie's file calls its camera; may be empty."""
        try:
            return "" if self._layer is None else str(stack_of(self._layer).metadata.get("camera_name", ""))
        except BlinkspotError:
            return ""

    def _frame_size(self) -> tuple[int, int]:
        """Height and width of the movie shown, pixels."""
        try:
            return (0, 0) if self._layer is None else stack_of(self._layer).shape[1:]
        except BlinkspotError:
            return 0, 0

    def _show_origin(self, label: QLabel, source: Source, box: QDoubleSpinBox) -> None:
        text = _SHORT.get(source.origin, source.origin.value)
        if source.error is not None:
            text = f"{text} ± {source.error:.2g}"
        label.setText(text if self._layer is not None else "")
        colour = _COLOURS.get(source.origin)
        label.setStyleSheet("" if colour is None else f"color: {colour}")
        details = [source.origin.value.capitalize() + "."]
        if source.error is not None:
            details.append(f"Standard error {source.error:.3g}{box.suffix()}.")
        label.setToolTip(" ".join([*details, source.note]).strip())

    def _estimate(self) -> None:
        if self._layer is not None:
            self._keeper.estimate(self._layer)

    def load(self, path: Path) -> None:
        """Read the camera from a TOML file."""
        self._take(lambda: Camera.load(path), Source(Origin.LOADED, note=path.name))

    def recall(self, name: str) -> None:
        """Take a camera that is remembered by a name."""
        self._take(lambda: self._keeper.remembered.load(name), Source(Origin.REMEMBERED, note=f"As {name}."))

    def _take(self, load: Callable[[], Camera], source: Source) -> None:
        if self._layer is None:
            return
        try:
            record = self._record.loaded(load(), source, *self._frame_size())
        except BlinkspotError as error:
            tell_error(error, "Loading the camera")
            return
        self._keeper.set(self._layer, record)
