"""How a noisy and a denoised movie are compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.held_out.settings import HeldOutSettings
from blinkspot.evaluation.residuals import ResidualSettings
from blinkspot.evaluation.resolution import ResolutionSettings
from blinkspot.evaluation.scoring.matching import check_tolerance
from blinkspot.evaluation.scoring.scores import DEFAULT_TOLERANCE_NM
from blinkspot.localization import LocalizerSettings
from blinkspot.plain_values import make_plain


@dataclass(frozen=True)
class ComparisonSettings:
    """How a noisy and a denoised movie are compared.

    Attributes
    ----------
    localizer : LocalizerSettings
        How molecules are found and fitted. Its threshold is the default one, at which all are scored too;
        which pixels are fitted follows from the route.
    search_threshold : float
        Lowest threshold looked at, in units of std(Wave.F1). It is halved where the best lies there.
    tolerance_nm : float
        Greatest distance between a localization and its molecule, nm.
    picture_pixel_size_nm : float
        Pixel of the super-resolved pictures, nm.
    frames_per_block : int
        Frames drawn together for the 95 % interval; well above the time for which a molecule shines.
    seed : int
        Seed of these draws.
    residuals : ResidualSettings
        How what the denoiser leaves over is judged.
    resolution : ResolutionSettings
        How the resolution of each route is measured.
    held_out : HeldOutSettings, optional
        Judge by photons held out, too; see :func:`.held_out_settings`. It takes several times as long as all
        the rest.

    Raises
    ------
    BlinkspotError
        If a value is out of its range.
    """

    localizer: LocalizerSettings = field(default=LocalizerSettings())
    search_threshold: float = 0.5
    tolerance_nm: float = DEFAULT_TOLERANCE_NM
    picture_pixel_size_nm: float = 20.0
    frames_per_block: int = 10
    seed: int = 1
    residuals: ResidualSettings = field(default=ResidualSettings())
    resolution: ResolutionSettings = field(default=ResolutionSettings())
    held_out: HeldOutSettings | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        if not 0 < self.search_threshold <= self.localizer.threshold:
            raise BlinkspotError(
                "The lowest threshold searched must be above 0 and at most the default threshold "
                f"({self.localizer.threshold:g}), not {self.search_threshold:g}."
            )
        check_tolerance(self.tolerance_nm)
        if self.frames_per_block < 1:
            raise BlinkspotError(f"A block must have at least 1 frame, not {self.frames_per_block}.")
