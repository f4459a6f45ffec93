"""The three ways from a movie to localizations, by name."""

from __future__ import annotations

from typing import Literal

RouteName = Literal["noisy", "denoised_fit_raw", "denoised_fit_denoised"]
"""Localized on the noisy movie; found on the denoised movie and fitted on the raw counts; found and fitted on
the denoised movie."""
ROUTE_NAMES: tuple[RouteName, ...] = ("noisy", "denoised_fit_raw", "denoised_fit_denoised")
ROUTE_TITLES = {
    "noisy": "noisy",
    "denoised_fit_raw": "denoised, fitted on raw counts",
    "denoised_fit_denoised": "denoised, fitted on the denoised picture",
}
