"""What came out of a movie, read from its results."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot.batch.opened import opened_model
from blinkspot.batch.plan import MoviePlan
from blinkspot.batch.result_folder import is_there
from blinkspot.batch.steps import Check, Compare, Localize, MeasureResolution, Process
from blinkspot.errors import BlinkspotError
from blinkspot.localization import read_table


@dataclass(frozen=True)
class Figures:
    """What came out of a movie; None stands for what was not asked for, or cannot be told.

    Attributes
    ----------
    model_steps : int or None
        Steps of its model's training.
    settled : bool or None
        Whether that training's validation loss had settled.
    molecules : int or None
        Rows of the last table.
    mean_uncertainty_nm : float or None
        Theirs, where it is valid.
    frc_resolution_nm : float or None
        By Fourier ring correlation.
    judgement : str or None
        Of the comparison: ``"helped"``, ``"no difference"``, ``"hurt"`` or ``"unknown"``.
    verdict : str or None
        The same in a sentence.
    false_percent : mapping or None
        False molecules by photons held out, per cent, by route; None where that cannot be told.
    """

    model_steps: int | None = None
    settled: bool | None = None
    molecules: int | None = None
    mean_uncertainty_nm: float | None = None
    frc_resolution_nm: float | None = None
    judgement: str | None = None
    verdict: str | None = None
    false_percent: Mapping[str, float | None] | None = None


def figures_of(plan: MoviePlan) -> Figures:
    """Read what came out of a movie, of those results that are there.

    Raises
    ------
    BlinkspotError
        If a result has been damaged since.
    """
    found: dict[str, Any] = {}
    if plan.model is not None and plan.model.exists():
        made_by = opened_model(plan.model).provenance
        found |= {"model_steps": made_by.get("steps"), "settled": made_by.get("settled")}
    table = plan.result_of(Process) or plan.result_of(Localize)
    if table is not None and is_there(table):
        molecules = read_table(table)
        found["molecules"] = len(molecules)
        if len(molecules) and molecules.uncertainty_is_valid:
            mean_nm = float(molecules.column("uncertainty_nm").mean())
            found["mean_uncertainty_nm"] = mean_nm if math.isfinite(mean_nm) else None
    resolution = _json(plan.result_of(MeasureResolution))
    if resolution is not None:
        found["frc_resolution_nm"] = resolution["ring_correlation"]["resolution_nm"]
    folder = plan.result_of(Compare)
    comparison = _json(None if folder is None else folder / "scores.json")
    if comparison is not None:
        found |= {"judgement": comparison["judgement"], "verdict": comparison["verdict"]}
    check = _json(plan.result_of(Check))
    if check is not None:
        shares = {name: route["false_share"][0]["value"] for name, route in check["routes"].items()}
        found["false_percent"] = {
            name: None if share is None else 100.0 * share for name, share in shares.items()
        }
    return Figures(**found)


def _json(path: Path | None) -> Any:
    if path is None or not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BlinkspotError(f"{path} cannot be read: move it away, and it is made again.") from error
