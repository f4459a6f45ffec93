"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

import math
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from blinkspot.evaluation.comparing.comparison import Comparison
from blinkspot.evaluation.comparing.equal_share import at_equal_share
from blinkspot.evaluation.comparing.not_measured import NotMeasured
from blinkspot.evaluation.comparing.verdict import conclude, described
from blinkspot.evaluation.held_out import HeldOut, picture_sentence, sentence
from blinkspot.evaluation.report.drawings import Drawings
from blinkspot.evaluation.report.figures import capital
from blinkspot.evaluation.report.pictures import data_uri, frame_wipe, reconstruction_wipe
from blinkspot.evaluation.residuals import Residuals
from blinkspot.evaluation.residuals.verdict import verdict as residual_sentence
from blinkspot.evaluation.route_names import ROUTE_TITLES
from blinkspot.evaluation.scoring.uncertainty_calibration import UncertaintyCalibration
from blinkspot.evaluation.wording import MINUS

# An uncertainty is called true where it is so within this part of itself, two standard errors included.
_TRUE_WITHIN = 0.1


def page_of(comparison: Comparison, drawn: Drawings) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : Comparison
    drawn : dict
        The charts, see :func:`.drawings_of`.
    """
    environment = Environment(
        loader=PackageLoader("blinkspot.evaluation.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "capital": capital, "percent": _percent}
    environment.tests["not_measured"] = lambda value: isinstance(value, NotMeasured)
    held_out, residuals = comparison.checks.held_out, comparison.checks.residuals
    return environment.get_template("index.html").render(
        comparison=comparison,
        conclusion=conclude(comparison),
        titles=ROUTE_TITLES,
        described=described,
        calibration_sentence=calibration_sentence,
        residual_sentence=residual_sentence(residuals) if isinstance(residuals, Residuals) else None,
        held_out_sentences=_held_out_sentences(held_out),
        equal_share=at_equal_share(held_out) if isinstance(held_out, HeldOut) else None,
        default_index=_default_index(comparison),
        wipes={"frame": frame_wipe(comparison), "reconstructions": reconstruction_wipe(comparison)},
        pictures={name: tuple(map(data_uri, both)) for name, both in drawn.items()},
        seeds=seeds_of(comparison),
        # Our own text, not a reader's: it is not escaped.
        script=Markup(_source(environment, "wipe.js")),
        style=Markup(_source(environment, "style.css")),
    )


def calibration_sentence(calibration: UncertaintyCalibration) -> str:
    """Say whether reported uncertainties are true, and how surely."""
    ratio, reach = calibration.ratio, 2.0 * calibration.ratio_error
    if math.isnan(ratio):
        return (
            "Whether the reported uncertainties are true cannot be told: the errors do not end before the "
            "tolerance."
        )
    amount = f"reported over true is {ratio:.2f} ± {calibration.ratio_error:.2f}"
    if max(abs(ratio + reach - 1.0), abs(ratio - reach - 1.0)) <= _TRUE_WITHIN:
        return f"The reported uncertainties are true within {100 * _TRUE_WITHIN:g} %: {amount}."
    if abs(ratio - 1.0) > reach:
        size = "small" if ratio < 1.0 else "large"
        return (
            f"The reported uncertainties are too {size}: {amount}; the true errors are {1 / ratio:.2f} times "
            "as large."
        )
    return (
        "The reported uncertainties are not shown to be untrue, nor to be true within "
        f"{100 * _TRUE_WITHIN:g} %: {amount}."
    )


def seeds_of(comparison: Comparison) -> dict[str, int | None]:
    """Return every seed behind a comparison, by what it was for; None where it is not known."""
    settings = comparison.settings
    seeds: dict[str, int | None] = {
        "bootstrap over frames": settings.seed,
        "residual test": settings.residuals.seed,
        "splits of the resolution": settings.resolution.seed,
    }
    if settings.held_out is not None:
        seeds["held-out photons"] = settings.held_out.seed
    seeds["training of the model"] = _training_seed(comparison.provenance)
    return seeds


def _training_seed(provenance: dict[str, Any]) -> int | None:
    made_by = provenance["denoised"]["made_by"]
    model = made_by.get("model") if isinstance(made_by, dict) else None
    for known in (provenance["model"], model):
        if isinstance(known, dict) and isinstance(known.get("seed"), int):
            return int(known["seed"])
    return None


def _held_out_sentences(held_out: HeldOut | NotMeasured) -> list[str]:
    if isinstance(held_out, NotMeasured):
        return []
    return [picture_sentence(held_out), *map(sentence, held_out.routes)]


def _default_index(comparison: Comparison) -> int:
    """Return which of the held-out check's thresholds is the default one, or closest to it."""
    held_out = comparison.checks.held_out
    if isinstance(held_out, NotMeasured):
        return 0
    threshold = comparison.settings.localizer.threshold
    distances = abs(held_out.routes[0].thresholds - threshold)
    return int(distances.argmin())


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _number(value: float | None, decimals: int = 3) -> str:
    """Write a number for a table; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    # Adding 0 takes the sign off a zero.
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", MINUS)


def _percent(value: float | None, decimals: int = 1) -> str:
    """Write a share in percent; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{_number(100.0 * value, decimals)} %"
