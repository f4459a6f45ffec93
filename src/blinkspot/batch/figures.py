"""What came out of a movie, read from its results."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blinkspot.batch.opened import opened_model
from blinkspot.batch.plan import MoviePlan
from blinkspot.batch.result_folder import is_there
from blinkspot.batch.steps import Check, Compare, Denoise, Localize, MeasureResolution, Process
from blinkspot.errors import BlinkspotError
from blinkspot.localization import read_table
from blinkspot.movies.stack import open_stack


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
        found |= _read(plan.model, _of_model)
    denoised = plan.result_of(Denoise)
    if denoised is not None and is_there(denoised):
        found |= _read(denoised, _of_denoised)
    table = plan.result_of(Process) or plan.result_of(Localize)
    if table is not None and is_there(table):
        found |= _read(table, _of_table)
    folder = plan.result_of(Compare)
    for path, reader in (
        (plan.result_of(MeasureResolution), _of_resolution),
        (None if folder is None else folder / "scores.json", _of_comparison),
        (plan.result_of(Check), _of_check),
    ):
        if path is not None and path.exists():
            found |= _read(path, reader)
    return Figures(**found)


def _read(path: Path, reader: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Return what a result says, which somebody may have changed, damaged or put in its place."""
    try:
        return reader(path)
    except (
        BlinkspotError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BlinkspotError(
            f"{path} is damaged, or cannot be read: move it away, and it is made again."
        ) from error


def _of_model(path: Path) -> dict[str, Any]:
    made_by = opened_model(path).provenance
    return {
        "model_steps": _of_type(made_by.get("steps"), int),
        "settled": _of_type(made_by.get("settled"), bool),
    }


def _of_denoised(path: Path) -> dict[str, Any]:
    open_stack(path)  # raises where it is damaged
    return {}


def _of_table(path: Path) -> dict[str, Any]:
    molecules = read_table(path)
    if not len(molecules) or not molecules.uncertainty_is_valid:
        return {"molecules": len(molecules)}
    mean_nm = float(molecules.column("uncertainty_nm").mean())
    return {"molecules": len(molecules), "mean_uncertainty_nm": mean_nm if math.isfinite(mean_nm) else None}


def _of_resolution(path: Path) -> dict[str, Any]:
    return {"frc_resolution_nm": _of_type(_json(path)["ring_correlation"]["resolution_nm"], (int, float))}


def _of_comparison(path: Path) -> dict[str, Any]:
    scores = _json(path)
    return {name: _of_type(scores[name], str) for name in ("judgement", "verdict")}


def _of_check(path: Path) -> dict[str, Any]:
    shares = {
        name: _of_type(route["false_share"][0]["value"], (int, float))
        for name, route in _json(path)["routes"].items()
    }
    return {
        "false_percent": {name: None if share is None else 100.0 * share for name, share in shares.items()}
    }


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _of_type(value: Any, kind: type | tuple[type, ...]) -> Any:
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of the type {kind}")
    return value
