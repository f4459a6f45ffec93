"""Figures kept in a folder, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """Figures by name, each in a file of its own.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def of(self, name: str, measure: Callable[[], Figures]) -> Figures:
        """Return the figures of that name; measure, say and keep them where they are not there yet."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            figures = measure()
            unfinished = path.with_suffix(".part")
            unfinished.write_text(json.dumps(figures, indent=2), encoding="utf-8")
            unfinished.rename(path)
        kept: Figures = json.loads(path.read_text(encoding="utf-8"))
        shown = {key: round(value, 4) if isinstance(value, float) else value for key, value in kept.items()}
        print(f"{name}: {shown}", file=sys.stderr, flush=True)
        return kept
