"""Trainings that have come to their end: kept until their models are safe, and offered no more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from blinkspot.plugin.session import Session
from blinkspot.plugin.train import unfinished

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


class FinishedTrainings(QObject):
    """The finished trainings of a window, which outlive the dock that has trained.

    Attributes
    ----------
    checkpoints : set of Path
        What they are, or were, kept in.

    Parameters
    ----------
    session : Session
        Its parent: tells when a model is saved.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.checkpoints: set[Path] = set()
        self._not_safe_yet: list[tuple[Denoiser, Path]] = []
        session.model_saved.connect(self._on_model_saved)

    @classmethod
    def of(cls, session: Session) -> FinishedTrainings:
        """Return those of a session, made when first asked for."""
        found: FinishedTrainings | None = session.findChild(cls)
        return cls(session) if found is None else found

    def add(self, checkpoint: Path, best: Denoiser | None) -> None:
        """Remember a training, whose checkpoint goes when its best model is saved."""
        self.checkpoints.add(checkpoint)
        if best is not None:
            self._not_safe_yet.append((best, checkpoint))

    def _on_model_saved(self, model: Denoiser) -> None:
        for kept in [kept for kept in self._not_safe_yet if kept[0] is model]:
            unfinished.discard(kept[1])
            self._not_safe_yet.remove(kept)
