"""What all figures have in common: the colours of a theme, the width of a page, how they become a PNG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import, and needed for figures only
    from matplotlib.figure import Figure

PAGE_INCHES = 11.0
_DPI = 130


@dataclass(frozen=True)
class Theme:
    """Colours of what surrounds a picture."""

    ink: str
    faint: str
    paper: str


LIGHT = Theme(ink="#1c2430", faint="#d5dae1", paper="#ffffff")
DARK = Theme(ink="#e4e8ee", faint="#3a4350", paper="#12161c")


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG."""
    held = io.BytesIO()
    figure.savefig(held, format="png", dpi=_DPI)
    return held.getvalue()
