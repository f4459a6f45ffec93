"""Measure the errors of fits on a denoised movie, and correct the uncertainties that they report."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.denoised_fits.fit_features import features_of, scaled
from blinkspot.evaluation.denoised_fits.simulated_errors import SimulatedErrors
from blinkspot.evaluation.matched_movies import numbered
from blinkspot.localization import LocalizationTable, Localizer
from blinkspot.movies.stack import Stack, as_stack
from blinkspot.progress import Progress, Stopwatch

if TYPE_CHECKING:  # importing it takes seconds
    from blinkspot.denoising import Denoiser


def calibrate_uncertainties(
    table: LocalizationTable,
    denoised: Stack | Any,
    model: Denoiser,
    localizer: Localizer,
    seed: int = 0,
) -> Generator[Progress, None, LocalizationTable]:
    """Return a table of fits on a denoised movie with uncertainties that are true.

    Frames like those of the movie are simulated (:mod:`blinkspot.evaluation.matched_movies`), denoised by the
    model, and localized as the movie was. How the errors depend on what the fits report is learned there
    (:mod:`.error_law`) and applied to the table. The law is of molecules that stand alone; where others shine
    on them, errors are greater, as those of fits on recorded frames are.

    Parameters
    ----------
    table : LocalizationTable
        What ``localizer`` found in the denoised movie, fitted on it.
    denoised : Stack or array, shape (T, Y, X)
        That movie, ADU.
    model : Denoiser
        What denoised it, with the posterior mean for the estimate.
    localizer : Localizer
    seed : int
        Seed of the simulation.

    Yields
    ------
    Progress

    Returns
    -------
    LocalizationTable
        ``uncertainty_nm`` and, where they are, those of x and y have changed and are valid. The law, and the
        correlations of a molecule's errors in neighbouring frames, by which :class:`.Merge` weighs, are in
        ``provenance["uncertainty_calibration"]``.

    Raises
    ------
    TooFewMolecules
        If the simulation finds fewer than ``FEWEST_ERRORS`` molecules that stand alone.
    BlinkspotError
        If the fits were not on the denoised movie, or fitted heights, or another model or camera made it.
    """
    check_can_calibrate(denoised, model, localizer)
    return _calibrated(table, as_stack(denoised), model, localizer, seed)


def check_can_calibrate(denoised: Stack | Any, model: Denoiser, localizer: Localizer) -> None:
    """Check what :func:`calibrate_uncertainties` needs, before a movie is localized for minutes.

    Raises
    ------
    BlinkspotError
        If the fits are not on the denoised movie, or fit heights, or another model or camera made it.
    """
    settings = localizer.settings
    if settings.fit_on != "denoised" or settings.astigmatism is not None:
        raise BlinkspotError(
            "Only fits on a denoised movie, without heights, can be calibrated by the model: "
            "fits on the recorded movie have true uncertainties already."
        )
    _check_made_by(as_stack(denoised), model)
    differences = model.camera.differences(localizer.camera)
    if differences:
        raise BlinkspotError(
            f"The model was made for another camera ({differences[0]}): localize with the model's camera."
        )


def _check_made_by(denoised: Stack, model: Denoiser) -> None:
    """Check that a model is the one that denoised a movie, as far as the movie tells."""
    made_by = denoised.metadata.get("provenance") or {}
    if made_by.get("step") != "denoise":
        return
    if not model.made(made_by):
        raise BlinkspotError(
            f"{denoised.name_within} was denoised by another model than the one given: give that one."
        )
    estimate = (made_by.get("settings") or {}).get("estimate", "posterior-mean")
    if estimate != "posterior-mean":
        raise BlinkspotError(
            f"{denoised.name_within} holds the estimate {estimate!r}, and uncertainties can be calibrated "
            "for the posterior mean: denoise with that."
        )


def _calibrated(
    table: LocalizationTable, denoised: Stack, model: Denoiser, localizer: Localizer, seed: int
) -> Generator[Progress, None, LocalizationTable]:
    clock = Stopwatch("measuring the errors of fits", 1.0)
    yield clock.at(0.0)
    sigma_nm = float(np.median(table.column("sigma_nm"))) if len(table) else model.camera.pixel_size_nm
    molecule = yield from numbered(table, sigma_nm)
    errors = SimulatedErrors(
        table, molecule, sigma_nm, denoised, model, localizer, np.random.default_rng(seed)
    )
    law = yield from errors.law(clock)
    correlations = errors.correlations(law)
    ratio = law.variance_ratio(features_of(table, molecule, model.context_frames))
    yield clock.at(1.0)
    calibration = {
        "from": "simulated frames that match the movie",
        "errors": errors.count,
        "seed": int(seed),
        "law": law.as_dict(),
        "correlations": correlations,
    }
    return scaled(table, np.sqrt(ratio)).with_provenance(
        {**table.provenance, "uncertainty_calibration": calibration}
    )
