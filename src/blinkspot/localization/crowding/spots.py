"""Crowded spots: several emitters fitted at once, where one does not explain a spot.

Spots whose windows overlap form a group, and the emitters of a group are fitted jointly to all of its pixels,
so that each has the light of its neighbours accounted for (as in DAOSTORM: Holden et al. 2011, Nature Methods
8:279). Where a fit stays poor, emitters are added one by one, each only if the log-likelihood gains enough
(Huang et al. 2011, Biomedical Optics Express 2:1377). Spots that lie alone and fit well are left as they are.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import chdtri, gammaln, xlogy

from blinkspot.localization._compiling import read_only
from blinkspot.localization.crowding.misfit import judge_spots
from blinkspot.localization.crowding.pixels import add_light, claim_pixels
from blinkspot.localization.crowding.search import N_RESULTS, resolve_group
from blinkspot.localization.duplicates import DUPLICATE_DISTANCE_PX, without_duplicates
from blinkspot.localization.fitting.gaussian_fit import SMALLEST_SIGMA_STD_PX
from blinkspot.localization.fitting.goodness import Goodness, known_part
from blinkspot.localization.fitting.molecules import Fits, fit_molecules
from blinkspot.localization.psf import PsfWidth

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The chance that one more emitter gains enough where there is none, by the law of likelihood ratios (Wilks
# 1938, Annals of Mathematical Statistics 9:60); of simulated single molecules about so many are split. At
# ThunderSTORM's 1e-6 more pairs stay one.
P_VALUE = 1e-4
# An emitter's place and brightness: what it adds to be fitted. Its width is known.
UNKNOWNS_OF_AN_EMITTER = 3
LEAST_GAIN = 0.5 * float(chdtri(UNKNOWNS_OF_AN_EMITTER, P_VALUE))
# Akaike's: as much as there are unknowns.
LEAST_KEPT = float(UNKNOWNS_OF_AN_EMITTER)
POOR = 1.0
# A joint fit takes time as the cube of its emitters; more spots than these gained nothing.
MOST_SPOTS_IN_A_GROUP = 6
SMALLEST_MEAN, LARGEST_MEAN = 1e-4, 1e3


def resolve_crowds(
    counts: NDArray[np.float32],
    extra: NDArray[np.float32] | None,
    rows: IntArray,
    columns: IntArray,
    strength: FloatArray,
    fits: Fits,
    *,
    window_px: int,
    width: PsfWidth,
    most_emitters: int,
    equal_photons: bool = False,
    least_log_likelihood_ratio: float | None = None,
) -> Generator[float, None, Fits]:
    """Replace single fits by joint ones where spots overlap or one emitter does not explain them.

    Parameters
    ----------
    counts : ndarray of float32, shape (height, width)
        A frame in counts whose variance equals their mean.
    extra : ndarray of float32, shape (height, width), optional
        Known part of the means.
    rows, columns : ndarray of int64, shape (n,)
        Candidates.
    strength : ndarray of float64, shape (n,)
        How strongly they stand out.
    fits : Fits
        Their single fits.
    window_px : int
        Side of the square that is fitted around each spot, odd.
    width : PsfWidth
        What is known of the widths: a normal prior.
    most_emitters : int
        Of one spot, 1 to 5.
    equal_photons : bool
        Whether the emitters of a group are equally bright.
    least_log_likelihood_ratio : float, optional
        What a molecule must reach, where that is set: spots that do not, fitted singly, are left out before,
        and no emitter that gains less is kept.

    Yields
    ------
    float
        The part that is done.

    Returns
    -------
    Fits
        ``candidate`` is the spot that an emitter belongs to, so several may name the same. The
        log-likelihood ratio is what the emitter gains beside the others.
    """
    least_gain, least_kept = LEAST_GAIN, LEAST_KEPT
    if least_log_likelihood_ratio is not None:
        # Else the spots that noise makes would link groups.
        likely = fits.goodness.log_likelihood_ratio >= least_log_likelihood_ratio
        fits = fits.chosen(np.flatnonzero(likely))
        least_gain, least_kept = max(LEAST_GAIN, least_log_likelihood_ratio), least_log_likelihood_ratio
    positions = np.column_stack((fits.x, fits.y))
    single = fits.chosen(without_duplicates(positions, strength[fits.candidate], DUPLICATE_DISTANCE_PX))
    if len(single) == 0:
        return single
    rows, columns = rows[single.candidate], columns[single.candidate]
    groups = _groups(rows, columns, window_px)
    seeds = np.column_stack((single.x, single.y, single.sigma, single.amplitude, single.background))
    known = known_part(extra)
    pixels = read_only(np.ascontiguousarray(counts, np.float32))
    prior = (width.sigma_px, 1.0 / max(width.std_px, SMALLEST_SIGMA_STD_PX) ** 2)
    poorness = np.empty(len(single))
    judge_spots(pixels, known, rows, columns, window_px, prior, seeds, _deviance_law(), poorness)
    owner = np.empty(pixels.shape, np.int64)
    claim_pixels(rows, columns, groups, window_px // 2, owner, np.empty_like(owner))
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    light = np.zeros(pixels.shape)
    add_light(seeds, 1.0, light)
    alone = np.zeros(len(single), np.bool_)
    results, spots = [np.empty((0, N_RESULTS))], [np.empty(0, np.int64)]
    for done, group in enumerate(members):
        if len(group) == 1 and poorness[group[0]] <= POOR:
            alone[group] = True
            continue
        found = np.empty((most_emitters * len(group), N_RESULTS))
        spot = np.empty(len(found), np.int64)
        add_light(seeds[group], -1.0, light)
        n = resolve_group(
            pixels,
            known,
            light,
            owner,
            rows[group],
            columns[group],
            seeds[group],
            window_px,
            prior,
            most_emitters,
            equal_photons,
            (least_gain, least_kept),
            POOR,
            _deviance_law(),
            found,
            spot,
        )
        if n == 0:
            alone[group] = True
        add_light(seeds[group] if n == 0 else np.ascontiguousarray(found[:n, [0, 1, 2, 4]]), 1.0, light)
        yield (done + 1) / len(members)
        results.append(found[:n])
        spots.append(single.candidate[group[spot[:n]]])
    if alone.all():
        return single
    joint = np.concatenate(results).T
    # Of a joint fit, the deviance is that of all its pixels: no p-value of one emitter.
    unknown = np.full(joint.shape[1], np.nan)
    residual_std, deviance, log_likelihood_ratio, n_pixels = joint[12:]
    goodness = Goodness(residual_std, deviance, log_likelihood_ratio, n_pixels, unknown, unknown, unknown)
    together = Fits(np.concatenate(spots), goodness, *joint[:12])
    return Fits.joined([single.chosen(np.flatnonzero(alone)), together])


def compile_crowds() -> None:
    """Have all that :func:`resolve_crowds` calls compiled."""
    y, x = np.mgrid[:9, :15]
    picture = np.float32(50.0) * np.exp(-0.3 * ((x - 4) ** 2 + (y - 4) ** 2)).astype(np.float32)
    picture += picture[:, ::-1]
    rows, columns = np.array([4, 4]), np.array([4, 10])
    fits = fit_molecules(picture, rows, columns)
    job = resolve_crowds(
        picture, None, rows, columns, np.ones(2), fits, window_px=7, width=PsfWidth(), most_emitters=2
    )
    for _ in job:
        pass


def _groups(rows: IntArray, columns: IntArray, window_px: int) -> IntArray:
    """Return the group of each spot: windows that overlap, the closest joined first, up to a largest size."""
    n = len(rows)
    parent = list(range(n))
    size = [1] * n

    def root(spot: int) -> int:
        while parent[spot] != spot:
            parent[spot] = spot = parent[parent[spot]]
        return spot

    places = np.column_stack((rows, columns))
    if n > 1:
        pairs = cKDTree(places).query_pairs(window_px - 0.5, p=np.inf, output_type="ndarray")
        distance = np.square(places[pairs[:, 0]] - places[pairs[:, 1]]).sum(axis=1)
        for one, other in pairs[np.argsort(distance, kind="stable")].tolist():
            one, other = root(one), root(other)
            if one != other and size[one] + size[other] <= MOST_SPOTS_IN_A_GROUP:
                parent[other] = one
                size[one] += size[other]
    return np.unique([root(spot) for spot in range(n)], return_inverse=True)[1]


@cache
def _deviance_law() -> FloatArray:
    """Tabulate the logarithm of a Poisson pixel's mean, and the mean and variance of its deviance.

    Where counts are few these are far from the 1 and 2 of a squared normal variate (McCullagh & Nelder 1989,
    Generalized Linear Models, 4.4.5).
    """
    law = np.empty((200, 3))
    law[:, 0] = np.linspace(np.log(SMALLEST_MEAN), np.log(LARGEST_MEAN), len(law))
    for row in law:
        mean = np.exp(row[0])
        z = np.arange(mean + 12.0 * np.sqrt(mean) + 12.0)
        chance = np.exp(xlogy(z, mean) - gammaln(z + 1.0) - mean)
        deviance = 2.0 * (mean - z + z * np.log(np.maximum(z, 1e-300) / mean))
        row[1] = chance @ deviance
        row[2] = chance @ (deviance - row[1]) ** 2
    return law
