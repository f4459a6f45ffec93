"""What is wrong with a movie's camera, said beside its fields."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QWidget

from blinkspot.camera_from_movie.evidence import CameraEvidence
from blinkspot.plugin.camera.record import CameraRecord
from blinkspot.plugin.widgets.themed_plot import ORANGE

COLOUR = ORANGE
"""Of what the user should look at."""


class CameraWarning(QLabel):
    """Says how the movie contradicts the camera, and why it is not what a camera records."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setStyleSheet(f"color: {COLOUR}")
        self.hide()

    def show_evidence(self, evidence: CameraEvidence | None, record: CameraRecord) -> None:
        """Say what a movie's noise contradicts; nothing where it is not known."""
        said, told = [], []
        if evidence is not None:
            against = None if record.lacks else evidence.against(record.camera)
            if against is not None:
                said.append(against)
                told.append(f"Measured: {evidence.estimate.description}.")
            finding = evidence.correlation.finding
            if finding is not None:
                said.append(f"{finding}.")
                told.append(evidence.correlation.description or "")
        self.setText(" ".join(said))
        self.setToolTip("\n".join(told))
        self.setVisible(bool(said))
