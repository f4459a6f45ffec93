"""How molecules are found and fitted."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from blinkspot.errors import BlinkspotError
from blinkspot.localization.astigmatism.calibration import AstigmatismCalibration
from blinkspot.localization.fitting.molecules import FitMethod, FitPixels
from blinkspot.plain_values import make_plain

MOST_EMITTERS = 5

Widths = Literal["learned", "free", "fixed", "elliptical"]
Preset = Literal["blinkspot", "thunderstorm"]


@dataclass(frozen=True)
class LocalizerSettings:
    """How molecules are found and fitted.

    Attributes
    ----------
    threshold : float
        Smallest response of the wavelet filter, in units of the frame's std(Wave.F1).
    false_per_frame : float, optional
        How many false molecules an empty frame may have on average. Molecules are then accepted by the
        likelihood ratio of the raw counts, spot against background alone, and ``threshold`` is not used.
    fit : {"mle", "lsq", "wlsq"}
        Maximum likelihood for Poisson counts, least squares, or weighted least squares as ThunderSTORM's.
    fit_on : {"raw", "denoised"}
        Pixels that are fitted where a denoised movie is given. Uncertainties are valid only on raw ones.
    widths : {"learned", "free", "fixed", "elliptical"}
        ``"learned"``: each molecule has a width of its own, and those of the movie's molecules are known
        beforehand; what they are is learned from the movie. ``"free"``: nothing is known beforehand.
        ``"fixed"``: all have the same. ``"elliptical"``: two free widths, along x and along y.
    initial_sigma_px : float, optional
        Standard deviation of the Gaussian that fits start from, and keep where it is fixed, pixels. Learned
        from the movie unless given.
    fit_window_px : int
        Side of the square that is fitted, odd.
    most_emitters : int
        How many molecules a spot may be resolved into, 1 to 5. Above 1, spots that overlap or that one
        molecule does not explain are fitted jointly, with molecules added one by one by likelihood ratio;
        that needs maximum likelihood on raw pixels, and round spots.
    equal_photons : bool
        Whether molecules that are fitted jointly are equally bright.
    preset : {"blinkspot", "thunderstorm"}
        ``"thunderstorm"``: ThunderSTORM's own analysis, followed step by step, in place of ours. It has a
        threshold, a fit, an initial sigma (1.6 pixels unless given) and a window; the rest is as it is there.
    astigmatism : AstigmatismCalibration, optional
        How the widths along x and y tell the height, which is then fitted, too, in the calibration's window:
        ``widths``, ``initial_sigma_px`` and ``fit_window_px`` are not used then. Molecules beyond the
        calibrated heights are left out.

    Raises
    ------
    BlinkspotError
        If a value is out of its range, or two contradict each other.
    """

    threshold: float = 1.0
    false_per_frame: float | None = None
    fit: FitMethod = "mle"
    fit_on: FitPixels = "raw"
    widths: Widths = "learned"
    initial_sigma_px: float | None = None
    fit_window_px: int = 7
    most_emitters: int = 1
    equal_photons: bool = False
    preset: Preset = "blinkspot"
    astigmatism: AstigmatismCalibration | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        self._check_kinds()
        if not (math.isfinite(self.threshold) and self.threshold > 0):
            raise BlinkspotError(
                f"The threshold must be a number above 0 (in units of std(Wave.F1)), not {self.threshold}."
            )
        if self.false_per_frame is not None:
            self._check_acceptance(self.false_per_frame)
        for name, allowed in (
            ("fit", get_args(FitMethod)),
            ("fit_on", get_args(FitPixels)),
            ("widths", get_args(Widths)),
            ("preset", get_args(Preset)),
        ):
            if getattr(self, name) not in allowed:
                raise BlinkspotError(
                    f"{name} must be {' or '.join(map(repr, allowed))}, not {getattr(self, name)!r}."
                )
        if self.fit_window_px % 2 != 1 or not 5 <= self.fit_window_px <= 31:
            raise BlinkspotError(
                f"The fit window must be an odd number of pixels from 5 to 31, not {self.fit_window_px}."
            )
        if self.initial_sigma_px is not None and not 0.3 <= self.initial_sigma_px <= self.fit_window_px / 2:
            raise BlinkspotError(
                "The initial sigma must be from 0.3 pixels to half the fit window, "
                f"not {self.initial_sigma_px}."
            )
        self._check_emitters()
        if self.preset == "thunderstorm" and (self.widths != "learned" or self.false_per_frame is not None):
            raise BlinkspotError(
                "ThunderSTORM's analysis has free widths and a threshold: leave the widths and the number of "
                "false molecules as they are, or do without the preset."
            )
        if self.astigmatism is not None:
            self._check_astigmatism()

    def used(self) -> dict[str, Any]:
        """Return the settings that had a say, by name, without those that another one puts out of use."""
        idle: set[str] = set()
        if self.false_per_frame is not None:
            idle |= {"threshold"}
        if self.most_emitters == 1:
            idle |= {"equal_photons"}
        if self.astigmatism is not None:
            idle |= {"widths", "initial_sigma_px", "fit_window_px"}
        if self.preset == "thunderstorm":
            idle |= {"widths", "false_per_frame", "most_emitters", "astigmatism"}
        return {name: value for name, value in asdict(self).items() if name not in idle}

    def _check_kinds(self) -> None:
        """Refuse what is no number where one is needed, before it is compared with any."""
        for name, whole in (
            ("threshold", False),
            ("false_per_frame", False),
            ("initial_sigma_px", False),
            ("fit_window_px", True),
            ("most_emitters", True),
        ):
            value = getattr(self, name)
            if value is None and name in ("false_per_frame", "initial_sigma_px"):
                continue
            kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
            if isinstance(value, bool) or not isinstance(value, kinds):
                kind = "a whole number" if whole else "a number"
                raise BlinkspotError(f"{name} must be {kind}, not {value!r}.")

    def _check_astigmatism(self) -> None:
        if self.preset != "blinkspot" or self.fit != "mle" or self.widths != "learned":
            raise BlinkspotError(
                "Heights by astigmatism are fitted by maximum likelihood, with the calibration's widths: "
                "leave the fit, the widths and the preset as they are, or do without astigmatism."
            )
        if self.false_per_frame is not None:
            raise BlinkspotError(
                "Acceptance by false molecules per frame is not known for fits with a height: "
                "use a threshold, or do without astigmatism."
            )

    def _check_emitters(self) -> None:
        if not 1 <= self.most_emitters <= MOST_EMITTERS:
            raise BlinkspotError(
                f"The most emitters of a spot must be from 1 to {MOST_EMITTERS}, not {self.most_emitters}."
            )
        if self.most_emitters == 1:
            if self.equal_photons:
                raise BlinkspotError("Equal photons need several emitters per spot: allow more than 1.")
            return
        if (
            self.preset != "blinkspot"
            or self.fit != "mle"
            or self.fit_on != "raw"
            or self.widths == "elliptical"
            or self.astigmatism is not None
        ):
            raise BlinkspotError(
                "Several emitters per spot need maximum likelihood fits of round spots on the noisy pixels: "
                "choose these, or allow 1 emitter."
            )

    def _check_acceptance(self, false_per_frame: float) -> None:
        if not (math.isfinite(false_per_frame) and 0 < false_per_frame <= 100):
            raise BlinkspotError(
                "The number of false molecules per frame must be above 0 and at most 100, "
                f"not {false_per_frame}."
            )
        if self.fit != "mle" or self.fit_on != "raw":
            raise BlinkspotError(
                "Acceptance by false molecules per frame needs maximum likelihood fits on the noisy pixels: "
                "choose these, or use a threshold."
            )
