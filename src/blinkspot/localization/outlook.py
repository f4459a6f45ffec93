"""Whether noise is what limits localization in a movie: judged beforehand, from some of its frames.

The molecules of an excerpt are found at a tenth of a false molecule per frame. Two things that noise does are
then estimated from them:

- *It hides molecules.* The signed root of twice a molecule's log-likelihood ratio against background alone is
  its distance from the background in standard deviations, with an error of about 1 (Wilks 1938, Annals of
  Mathematical Statistics 9:60). With d its value and t that of the ratio needed, a molecule like it is found
  with probability Phi(d - t); so for each one found there are 1 / Phi(d - t) like it (Horvitz & Thompson
  1952, Journal of the American Statistical Association 47:663).
- *It moves those that are found.* By the Cramer-Rao bound s of a position (Mortensen et al. 2010, Nature
  Methods 7:377) a molecule is placed within the tolerance r with probability 1 - exp(-r^2 / (2 s^2)).

What is never found is not counted, and what is found by luck looks brighter than it is: both make the loss
seem smaller than it is, where it is large. Molecules that overlap, and places that no light reaches, are not
noise and not counted.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erf, ndtr

from blinkspot.camera import Camera
from blinkspot.localization.localizer import Localizer
from blinkspot.localization.settings import LocalizerSettings
from blinkspot.localization.table import LocalizationTable
from blinkspot.localization.uncertainty import closed_form_uncertainty
from blinkspot.movies.checks import check_movie
from blinkspot.movies.stack import Stack
from blinkspot.progress import Progress, relayed

FloatArray = NDArray[np.float64]
Limit = Literal["noise", "noise in part", "not noise", "unknown"]

TOLERANCE_NM = 50.0
FALSE_PER_FRAME = 0.1
# Shares of the molecules that noise hides or moves: at or above the first it limits, below the second it
# hardly matters (docs/will_it_help.md has what denoising gave on movies of known loss).
LIMITING_LOSS, NEGLIGIBLE_LOSS = 0.1, 0.03
# Of fewer molecules a share of a tenth cannot be told from one of a thirtieth.
FEWEST_MOLECULES = 50
# Above this share molecules stay on for several frames: two frames on average, were they on for whole ones.
STAYING_SHARE = 0.3

_RUN_FRAMES = 4
_MOST_RUNS = 20
_EXCERPT_PIXELS = 1 << 22
_FEWEST_RUNS = 3
# Between two positions of one molecule, in bounds of one position along an axis: in 98 % of the cases less.
_REACH = 4.0


@dataclass(frozen=True)
class Outlook:
    """What noise does to the molecules of a movie, by those found in an excerpt.

    Attributes
    ----------
    molecules : int
        Localizations that were found in the excerpt.
    frames : int
        Frames of the excerpt.
    photons, background_photons, sigma_nm : float
        Medians of them: photoelectrons per molecule and frame, photoelectrons per pixel, and width. NaN where
        there are none, as all that follows.
    signal_to_noise : float
        Of the brightest pixel of a molecule of these medians, in the middle of that pixel: its light over the
        standard deviation of all that the pixel holds.
    bound_nm : float
        Cramer-Rao bound of the position of such a molecule along an axis, nm.
    found : float
        Share of molecules like those found that noise lets be found.
    placed : float
        Share of these that noise lets be placed within 50 nm.
    staying : float
        Share of the molecules found that are found in the next frame as well, beyond chance; of the dim ones
        more stay than are found.
    """

    molecules: int
    frames: int
    photons: float = math.nan
    background_photons: float = math.nan
    sigma_nm: float = math.nan
    signal_to_noise: float = math.nan
    bound_nm: float = math.nan
    found: float = math.nan
    placed: float = math.nan
    staying: float = math.nan

    @property
    def lost(self) -> float:
        """Share of the molecules that noise hides, or moves by more than 50 nm."""
        return 1.0 - self.found * self.placed

    @property
    def limit(self) -> Limit:
        """What limits localization here, as far as noise goes."""
        if self.molecules - FALSE_PER_FRAME * self.frames < FEWEST_MOLECULES:
            return "unknown"
        if self.lost >= LIMITING_LOSS:
            return "noise"
        return "noise in part" if self.lost >= NEGLIGIBLE_LOSS else "not noise"

    @property
    def stays_on(self) -> bool:
        """Whether molecules stay on for several frames: context frames then bring more photons of each."""
        return self.staying >= STAYING_SHARE

    @property
    def sentence(self) -> str:
        """The outlook in one sentence."""
        if self.limit == "unknown":
            return (
                f"Too few molecules to tell: {self.molecules} stand out in {self.frames} frames: few shine, "
                "or noise hides them."
            )
        typical = (
            f"a typical molecule of {_rounded(self.photons)} photons on {_rounded(self.background_photons)} "
            f"per pixel is {_rounded(self.signal_to_noise)} times its noise"
        )
        if self.limit == "not noise":
            return f"Molecules are bright: {typical}; denoising will change little."
        begin = "Noise limits here" if self.limit == "noise" else "Noise takes a little"
        gain = "with context frames can find more and place them better" if self.stays_on else "can find more"
        return f"{begin}: {typical}; denoising {gain}."

    @property
    def details(self) -> str:
        """The numbers behind the sentence, one a line."""
        lines = [f"{self.molecules} molecules found in {self.frames} frames (0.1 false ones per frame)."]
        if self.molecules:
            lines += [
                f"Medians: {_rounded(self.photons)} photons, sigma {self.sigma_nm:.0f} nm, background "
                f"{_rounded(self.background_photons)} per pixel.",
                f"Signal to noise of the brightest pixel: {_rounded(self.signal_to_noise)}.",
                f"Cramer-Rao bound of its position: {self.bound_nm:.3g} nm along an axis.",
                f"Noise lets {self.found:.0%} be found, and {self.placed:.0%} of these be placed within "
                f"{TOLERANCE_NM:.0f} nm.",
            ]
        if math.isfinite(self.staying):
            lines.append(f"{self.staying:.0%} of those found are found in the next frame, too.")
        if self.limit in ("noise", "noise in part") and not self.stays_on:
            lines.append(
                "Few stay on: what shines in one frame only is placed hardly better by any denoiser."
            )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready; None for what is not known."""
        values: dict[str, Any] = {
            name: value if math.isfinite(value) else None
            for name, value in ((name, getattr(self, name)) for name in self.__dataclass_fields__)
        }
        return {**values, "lost": None if math.isnan(self.lost) else self.lost, "limit": self.limit}


def judge_movie(movie: Stack, camera: Camera) -> Generator[Progress, None, Outlook]:
    """Judge from up to 80 frames of a movie whether noise is what limits localization.

    Runs of four successive frames spread over the movie are localized.

    Parameters
    ----------
    movie : Stack
        The movie as recorded.
    camera : Camera
        Its camera.

    Yields
    ------
    Progress

    Returns
    -------
    Outlook

    Raises
    ------
    BlinkspotError
        If the movie does not pass :func:`~blinkspot.movies.checks.check_movie`, a frame holds values that are
        not finite, or the camera's maps are of another size.
    """
    check_movie(movie)
    starts, run_frames = _runs(movie)
    frames = np.concatenate([movie.frames(start, start + run_frames) for start in starts])
    localizer = Localizer(camera, LocalizerSettings(false_per_frame=FALSE_PER_FRAME))
    job = localizer.localize(frames)
    table = yield from relayed(job, lambda progress: progress)
    return judge(table, camera, run_frames)


def judge(table: LocalizationTable, camera: Camera, run_frames: int) -> Outlook:
    """Judge by the molecules that were found in runs of successive frames.

    Parameters
    ----------
    table : LocalizationTable
        As the localizer gives it with a number of false molecules per frame.
    camera : Camera
        The movie's camera.
    run_frames : int
        Frames of each run; the runs follow one another in the table.
    """
    n_frames = table.movie_frames or 0
    if not len(table):
        return Outlook(0, n_frames)
    photons, background, sigma_nm = (
        table.column(name) for name in ("photons", "background_photons", "sigma_nm")
    )
    bounds_nm = _bounds_nm(sigma_nm, photons, background, camera)
    typical = float(np.median(sigma_nm)), float(np.median(photons)), float(np.median(background))
    as_arrays = np.array(typical)[:, np.newaxis]
    typical_bound_nm = _bounds_nm(as_arrays[0], as_arrays[1], as_arrays[2], camera)
    needed = float(table.provenance["learned"]["acceptance"]["log_likelihood_ratio"])
    distance = np.sqrt(2.0 * np.maximum(table.column("log_likelihood_ratio"), needed))
    weights = 1.0 / ndtr(distance - math.sqrt(2.0 * needed))
    within = -np.expm1(-(TOLERANCE_NM**2) / (2.0 * bounds_nm**2))
    return Outlook(
        len(table),
        n_frames,
        photons=typical[1],
        background_photons=typical[2],
        sigma_nm=typical[0],
        signal_to_noise=_signal_to_noise(*typical, camera=camera),
        bound_nm=float(typical_bound_nm[0]),
        found=len(table) / float(weights.sum()),
        placed=float(np.average(within, weights=weights)),
        staying=_staying(table, run_frames, _REACH * float(np.median(bounds_nm)), camera.pixel_size_nm),
    )


def _runs(movie: Stack) -> tuple[list[int], int]:
    """Return where runs of successive frames begin that are spread over a movie, and how long they are."""
    length = min(_RUN_FRAMES, movie.n_frames)
    affordable = max(_FEWEST_RUNS, _EXCERPT_PIXELS // (length * movie.height * movie.width))
    number = max(1, min(_MOST_RUNS, affordable, movie.n_frames // length))
    return np.linspace(0, movie.n_frames - length, number).round().astype(int).tolist(), length


def _read_variance(camera: Camera) -> float:
    """Return the variance of the read noise of a usual pixel, photoelectrons squared."""
    return float(np.median(camera.read_counts)) * camera.excess_noise_factor**2


def _bounds_nm(
    sigma_nm: FloatArray, photons: FloatArray, background: FloatArray, camera: Camera
) -> FloatArray:
    excess = camera.excess_noise_factor
    dark = np.maximum(background, 0.0) + _read_variance(camera) / excess
    return closed_form_uncertainty("mortensen-mle", sigma_nm, photons, dark, camera.pixel_size_nm, excess)


def _signal_to_noise(sigma_nm: float, photons: float, background: float, camera: Camera) -> float:
    half_pixel = camera.pixel_size_nm / 2.0 / (math.sqrt(2.0) * sigma_nm)
    light = photons * float(erf(half_pixel)) ** 2
    variance = camera.excess_noise_factor * (light + max(background, 0.0)) + _read_variance(camera)
    return light / math.sqrt(variance)


def _staying(table: LocalizationTable, run_frames: int, radius_nm: float, pixel_size_nm: float) -> float:
    """Return the share of molecules with another in the next frame, beyond that with one far off in time."""
    frame = table.column("frame")
    places = np.column_stack((table.column("x_nm"), table.column("y_nm")))
    radius_nm = min(max(radius_nm, 0.5 * pixel_size_nm), 2.0 * pixel_size_nm)
    n_frames = table.movie_frames or int(frame.max()) + 1
    if n_frames < _FEWEST_RUNS * run_frames:
        return math.nan
    trees = [cKDTree(places[frame == index]) for index in range(n_frames)]
    asked = near = far = 0
    for index, tree in enumerate(trees):
        if index % run_frames == run_frames - 1 or not tree.n:
            continue
        asked += tree.n
        near += _with_partner(tree, trees[index + 1], radius_nm)
        # Half the excerpt away: the same structure, other molecules.
        far += _with_partner(tree, trees[(index + n_frames // 2) % n_frames], radius_nm)
    if not asked or far == asked:
        return math.nan
    return max(0.0, (near - far) / (asked - far))


def _rounded(value: float) -> str:
    """Write a number of two digits or more, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 10.0 else f"{value:.1f}"


def _with_partner(here: cKDTree, there: cKDTree, radius_nm: float) -> int:
    if not there.n:
        return 0
    distances, _ = there.query(here.data, distance_upper_bound=radius_nm)
    return int(np.count_nonzero(np.isfinite(distances)))
