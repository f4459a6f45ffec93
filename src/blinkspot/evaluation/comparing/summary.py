"""A comparison as JSON-ready figures."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.comparing.equal_share import at_equal_share
from blinkspot.evaluation.comparing.not_measured import NotMeasured
from blinkspot.evaluation.comparing.routes import Route, Spread, Truthful
from blinkspot.evaluation.comparing.verdict import conclude


def summary(comparison: Comparison) -> dict[str, Any]:
    """Return all figures of a comparison by name, JSON-ready; None stands for what is not known."""
    conclusion = conclude(comparison)
    held_out = comparison.checks.held_out
    equal = None if isinstance(held_out, NotMeasured) else at_equal_share(held_out)
    return {
        "verdict": conclusion.sentence,
        "judgement": conclusion.judgement,
        "remarks": list(conclusion.more),
        "frames": comparison.n_frames,
        "tolerance_nm": comparison.settings.tolerance_nm,
        "default_threshold": comparison.settings.localizer.threshold,
        "better_denoised_route": comparison.denoised.name,
        "routes": {route.name: _of_route(route) for route in comparison.routes},
        "checks": _without_nan(comparison.checks.as_dict()),
        "at_equal_false_share": None if equal is None else equal.as_dict(),
        "provenance": comparison.provenance,
    }


def _of_route(route: Route) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "threshold": route.threshold,
        "search_threshold": route.search_threshold,
        "localizations": len(route.table),
        "localizations_at_default": route.n_default,
        "sigma_at_default": _of_spread(route.sigma),
        "uncertainty_at_default": _of_spread(route.uncertainty),
        "uncertainty_is_calibrated": route.table.uncertainty_is_valid,
        "counts": {"threshold": route.counted_thresholds.tolist(), "localizations": route.counts.tolist()},
    }
    if route.truthful is not None:
        figures |= _of_truth(route.truthful)
    return figures


def _of_truth(truthful: Truthful) -> dict[str, Any]:
    curve = truthful.curve
    return {
        "at_default": truthful.at_default.as_dict(),
        "at_best": truthful.at_best.as_dict(),
        "best_threshold": curve.best,
        "best_f1_held_out": _number(truthful.best_f1_held_out),
        "gain_in_best_f1": None if truthful.gain is None else dataclasses.asdict(truthful.gain),
        "error_of_shared_molecules": None
        if truthful.shared_error is None
        else truthful.shared_error.as_dict(),
        "calibration": truthful.calibration.as_dict(),
        "bias": truthful.bias.as_dict(),
        "curve": {
            "threshold": curve.threshold.tolist(),
            "precision": [_number(value) for value in curve.precision.tolist()],
            "recall": [_number(value) for value in curve.recall.tolist()],
            "f1": [_number(value) for value in curve.f1.tolist()],
        },
    }


def _of_spread(spread: Spread) -> dict[str, float | None]:
    return {"mean_nm": _number(spread.mean_nm), "std_nm": _number(spread.std_nm)}


def _without_nan(value: Any) -> Any:
    """Return figures with None for every number that is not finite."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
