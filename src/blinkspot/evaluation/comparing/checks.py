"""The checks of a comparison that need no truth."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from blinkspot.camera import Camera
from blinkspot.evaluation.comparing.comparison_settings import ComparisonSettings
from blinkspot.evaluation.comparing.not_measured import NotMeasured, attempted
from blinkspot.evaluation.comparing.routes import Route
from blinkspot.evaluation.held_out import HeldOut, HeldOutSettings, check_held_out
from blinkspot.evaluation.residuals import Residuals, check_residuals
from blinkspot.evaluation.resolution import Resolution, measure_resolution
from blinkspot.evaluation.route_names import RouteName
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM
from blinkspot.localization import LocalizerSettings
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, Stopwatch
from blinkspot.progress_parts import as_part

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser

HOW_TO_HOLD_OUT = (
    "It was not asked for: tick 'Hold photons out' in napari's Report dock; on the command line, add "
    "--held-out and the model (blinkspot compare ... --model MODEL --held-out); in Python, give "
    "held_out_settings() to ComparisonSettings."
)
RESIDUALS_WEIGHT, RESOLUTION_WEIGHT, HELD_OUT_WEIGHT = 1.0, 0.3, 10.0
"""Time that each takes, about, in that of one route."""

# The check looks at thresholds in steps of this factor, so many of them below the default.
_STEP, _STEPS_BELOW = 1.2, 4


@dataclass(frozen=True)
class Checks:
    """What can be told of a movie without its truth.

    Attributes
    ----------
    residuals : Residuals or NotMeasured
        What the denoiser leaves over.
    resolution : dict of Resolution or NotMeasured
        Of the table of each route, by the route's name.
    held_out : HeldOut or NotMeasured
        What photons say that were held out.
    """

    residuals: Residuals | NotMeasured
    resolution: dict[RouteName, Resolution | NotMeasured]
    held_out: HeldOut | NotMeasured

    def as_dict(self) -> dict[str, Any]:
        """Return all figures by name, JSON-ready; None stands for what is not known."""
        return {
            "residuals": self.residuals.as_dict(),
            "resolution": {name: each.as_dict() for name, each in self.resolution.items()},
            "held_out": self.held_out.as_dict(),
        }


def held_out_settings(
    localizer: LocalizerSettings | None = None,
    minutes: float | None = None,
    seed: int = 1,
    tolerance_nm: float = DEFAULT_TOLERANCE_NM,
) -> HeldOutSettings:
    """Return settings of a held-out check that suit a comparison.

    Molecules are judged from below the default threshold on, so that at some threshold of each movie the
    noisy and the denoised one have the same share of false ones. The default is among the thresholds.

    Parameters
    ----------
    localizer : LocalizerSettings, optional
        That of the comparison.
    minutes : float, optional
        Train models on the kept parts alone, for so long each, instead of applying the given one to them.
    seed : int
        Seed of the splits.
    tolerance_nm : float
        That of the comparison: what lies farther from its molecule is misplaced.

    Raises
    ------
    BlinkspotError
        If the check cannot use these settings.
    """
    localizer = LocalizerSettings() if localizer is None else localizer
    lowest = localizer.threshold / _STEP**_STEPS_BELOW
    return HeldOutSettings(
        localizer=replace(localizer, threshold=lowest),
        minutes=minutes,
        tolerance_nm=tolerance_nm,
        seed=seed,
    )


def weight_of_checks(settings: ComparisonSettings) -> float:
    """Return the time that the checks take, in that of one route."""
    held_out = 0.0 if settings.held_out is None else HELD_OUT_WEIGHT
    return RESIDUALS_WEIGHT + 3 * RESOLUTION_WEIGHT + held_out


def run_checks(
    noisy: Stack,
    denoised: Stack,
    camera: Camera,
    routes: tuple[Route, ...],
    settings: ComparisonSettings,
    model: Denoiser | None,
) -> Generator[Progress, None, Checks]:
    """Make all checks, one after the other.

    Parameters
    ----------
    noisy, denoised : Stack
        The movie, ADU.
    camera : Camera
        Its camera.
    routes : tuple of Route
        What was found.
    settings : ComparisonSettings
        How to check.
    model : Denoiser or None
        What denoised the movie. Without it the residual is that of the denoised movie.

    Yields
    ------
    Progress
        In units of the time of one route.

    Returns
    -------
    Checks
    """
    clock = Stopwatch("checking", weight_of_checks(settings))
    residuals = yield from as_part(
        attempted(
            check_residuals(noisy, camera, denoised if model is None else model, settings.residuals)
        ),
        clock, 0.0, RESIDUALS_WEIGHT,
    )  # fmt: skip
    done = RESIDUALS_WEIGHT
    resolution: dict[RouteName, Resolution | NotMeasured] = {}
    for route in routes:
        resolution[route.name] = yield from as_part(
            attempted(measure_resolution(route.table, settings.resolution)), clock, done, RESOLUTION_WEIGHT
        )
        done += RESOLUTION_WEIGHT
    held_out: HeldOut | NotMeasured = NotMeasured(HOW_TO_HOLD_OUT)
    if settings.held_out is not None:
        held_out = yield from as_part(
            attempted(check_held_out(noisy, camera, model, settings.held_out)), clock, done, HELD_OUT_WEIGHT
        )
    yield clock.at(clock.total)
    return Checks(residuals, resolution, held_out)
