import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from molecules import mean_counts, snapshots
from scipy.optimize import minimize as scipy_minimize
from scipy.sparse.csgraph import connected_components

from blinkspot import BlinkspotError, Localizer, LocalizerSettings, score
from blinkspot.evaluation import SimulationSettings, simulate
from blinkspot.localization.crowding import spots as crowding
from blinkspot.localization.crowding.misfit import judge_spots
from blinkspot.localization.crowding.model import CONVERGED, REACH_SIGMAS, linearize, means_of, minimize
from blinkspot.localization.crowding.pixels import claim_pixels
from blinkspot.localization.crowding.spots import MOST_SPOTS_IN_A_GROUP, P_VALUE, resolve_crowds
from blinkspot.localization.detection import find_candidates
from blinkspot.localization.fitting.molecules import fit_molecules
from blinkspot.localization.psf import PsfWidth
from blinkspot.progress import finish

SHAPE = (9, 12)
FREE = (1.3, 0.0, 6.0, False, 1e-3)


def several(parameters, shape=SHAPE):
    """Mean counts of emitters (x, y, sigma, amplitude each) on a background."""
    *emitters, background = parameters
    return background + sum(
        mean_counts(np.append(emitters[k : k + 4], 0.0), shape) for k in range(0, len(emitters), 4)
    )


def as_pixels(picture, extra=None):
    rows, columns = (each.ravel() for each in np.indices(picture.shape))
    extra = np.zeros(picture.shape) if extra is None else extra
    return rows, columns, picture.ravel().astype(float), extra.ravel()


def unknowns(n, equal):
    unknown = np.arange(4 * n + 1)
    if equal:
        unknown = np.array([3 * j + k if k < 3 else 3 * n for j in range(n) for k in range(4)] + [3 * n + 1])
    return unknown


def evaluate(pixels, how, parameters, unknown, expected=False):
    size = unknown[-1] + 1
    gradient, curvature = np.empty(size), np.empty((size, size))
    loss = linearize(pixels, expected, how, parameters, unknown, gradient, curvature)
    lower = np.tril_indices(size)
    curvature.T[lower] = curvature[lower]
    return loss, gradient, curvature


def resolved(picture, rows, columns, width, *, extra=None, most_emitters=5, **how):
    rows, columns = np.atleast_1d(rows), np.atleast_1d(columns)
    picture = picture.astype(np.float32)
    extra = None if extra is None else extra.astype(np.float32)
    known = {"initial_sigma_px": width.sigma_px, "sigma_std_px": width.std_px}
    fits = fit_molecules(picture, rows, columns, extra=extra, **known)
    job = resolve_crowds(
        picture,
        extra,
        rows,
        columns,
        np.ones(len(rows)),
        fits,
        window_px=7,
        width=width,
        most_emitters=most_emitters,
        **how,
    )
    while True:
        try:
            assert 0.0 < next(job) <= 1.0
        except StopIteration as stop:
            return stop.value


EMITTERS = st.lists(
    st.tuples(
        st.floats(1.0, 10.0),
        st.floats(1.0, 7.0),
        st.floats(0.8, 2.0),
        st.floats(50.0, 3000.0),
    ),
    min_size=1,
    max_size=3,
)


@given(EMITTERS, st.floats(0.5, 60.0), st.integers(0, 99), st.floats(0.0, 100.0), st.booleans())
@settings(max_examples=60, deadline=None)
def test_gradient_and_second_derivatives_match_finite_differences(emitters, background, seed, known, equal):
    random = np.random.default_rng(seed)
    extra = random.uniform(0.0, 4.0, SHAPE)
    parameters = np.append(np.array(emitters).ravel(), background)
    if equal:
        parameters[3::4] = parameters[3]
    pixels = as_pixels(random.poisson(several(parameters) + extra), extra)
    parameters = parameters * 1.03
    unknown, how = unknowns(len(emitters), equal), (1.3, known, *FREE[2:])
    for sign in (-REACH_SIGMAS, REACH_SIGMAS):
        # Where light ends at a pixel's very middle, a step may take it away.
        ends = np.array([parameters[k:-1:4] + sign * parameters[2:-1:4] for k in (0, 1)])
        assume((np.abs(ends - ends.round()) > 1e-3).all())
    loss, gradient, curvature = evaluate(pixels, how, parameters, unknown)
    mean = (several(parameters) + extra).ravel()
    off = parameters[2:-1:4] - 1.3
    # The light beyond 5 sigma, 1e-6 of it, is left out of the fit.
    wanted = (mean - pixels[2] * np.log(mean)).sum() + 0.5 * known * (off @ off)
    assert loss == pytest.approx(wanted, rel=1e-5, abs=1e-3)
    numeric, numeric_second = [], []
    for k in range(len(gradient)):
        step = np.where(unknown == k, 1e-5 * parameters[unknown == k].max(), 0.0)
        more, less = (evaluate(pixels, how, parameters + sign * step, unknown) for sign in (1, -1))
        numeric.append((more[0] - less[0]) / (2 * step.max()))
        numeric_second.append((more[1] - less[1]) / (2 * step.max()))
    scale = np.sqrt(np.abs(np.diag(curvature))) + 1e-6
    np.testing.assert_allclose(gradient / scale, numeric / scale, atol=2e-3 * (1 + abs(loss) ** 0.5))
    numeric_second = np.array(numeric_second)
    compared = np.sqrt(np.outer(scale, scale)) ** 2
    np.testing.assert_allclose(curvature / compared, numeric_second / compared, atol=2e-2)


@pytest.mark.parametrize("distance", [2.0, 3.0, 4.0])
@pytest.mark.parametrize("known", [0.0, 16.0])
def test_joint_fit_reaches_the_optimum_that_scipy_finds(distance, known):
    truth = np.array([4.0, 4.2, 1.25, 900.0, 4.0 + 1.3 * distance, 4.0, 1.35, 800.0, 20.0])
    pixels = as_pixels(np.random.default_rng(3).poisson(several(truth)))
    parameters = truth * 1.02
    assert minimize(pixels, (1.3, known, *FREE[2:]), parameters)[1] == CONVERGED

    def loss(scaled):
        mean = several(scaled * truth).ravel()
        off = (scaled * truth)[2:-1:4] - 1.3
        return (mean - pixels[2] * np.log(mean)).sum() + 0.5 * known * (off @ off)

    bounds = [(0.2, 3.0)] * len(truth)
    best = scipy_minimize(loss, np.ones(9), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15})
    assert loss(parameters / truth) == pytest.approx(best.fun, abs=1e-4)
    np.testing.assert_allclose(parameters, best.x * truth, rtol=2e-3, atol=2e-3)


def test_equally_bright_emitters_are_at_the_optimum_among_these():
    truth = np.array([4.0, 4.2, 1.3, 700.0, 7.0, 4.0, 1.3, 700.0, 20.0])
    pixels = as_pixels(np.random.default_rng(1).poisson(several(truth)))
    parameters = truth.copy()
    loss, culprit = minimize(pixels, (1.3, 25.0, 6.0, True, 1e-3), parameters)
    assert culprit == CONVERGED
    _, gradient, curvature = evaluate(pixels, (1.3, 25.0, 6.0, True, 1e-3), parameters, unknowns(2, True))
    assert gradient / np.sqrt(np.diag(curvature)) == pytest.approx(0.0, abs=1e-3)
    assert np.linalg.eigvalsh(curvature).min() > 0.0
    free = truth.copy()
    assert minimize(pixels, (1.3, 25.0, 6.0, False, 1e-3), free)[0] < loss


def test_means_are_those_of_the_reference():
    parameters = np.array([4.0, 4.2, 1.25, 900.0, 7.0, 4.0, 1.35, 800.0, 20.0])
    pixels = as_pixels(np.zeros(SHAPE))
    means = np.empty(pixels[0].size)
    means_of(pixels, parameters, means)
    np.testing.assert_allclose(means, several(parameters).ravel(), atol=2e-3)


def pairs(n, distance_sigmas, photons, seed):
    """Pictures of two equally wide molecules, turned at random, and where these are."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0.0, 2.0 * math.pi, n)
    centre = 8.0 + random.uniform(-0.5, 0.5, (n, 2))
    half = 0.5 * distance_sigmas * 1.3 * np.column_stack((np.cos(angle), np.sin(angle)))
    for one, other in zip(centre - half, centre + half, strict=True):
        truth = np.array([*one, 1.3, photons, *other, 1.3, photons, 20.0])
        yield truth, random.poisson(several(truth, (17, 17))).astype(np.float32)


def cramer_rao(truth, candidates):
    """Standard deviations of x and y of both, with widths known, from the pixels of the windows."""
    rows, columns = np.indices((17, 17))
    seen = np.zeros((17, 17), bool)
    for row, column in zip(candidates.rows, candidates.columns, strict=True):
        seen |= np.maximum(abs(rows - row), abs(columns - column)) <= 3
    unknown = np.array([0, 1, 3, 4, 5, 7, 8])
    steps = np.eye(9)[unknown] * 1e-4
    jacobian = np.stack(
        [(several(truth + s, (17, 17)) - several(truth - s, (17, 17)))[seen] / 2e-4 for s in steps]
    )
    information = jacobian / several(truth, (17, 17))[seen] @ jacobian.T
    return np.sqrt(np.diag(np.linalg.inv(information)))[[0, 1, 3, 4]]


@pytest.mark.parametrize(("distance", "photons"), [(2.0, 4000.0), (3.0, 1500.0), (4.0, 1000.0)])
def test_two_close_molecules_are_found_as_well_as_physics_allows(distance, photons):
    over_bound, over_reported, found_pairs = [], [], 0
    n = 250
    for truth, picture in pairs(n, distance, photons, seed=int(distance)):
        candidates = find_candidates(picture, 2.0)
        fits = resolved(picture, candidates.rows, candidates.columns, PsfWidth(1.3, 0.0))
        if len(fits) != 2:
            continue
        found_pairs += 1
        places = np.array([truth[[0, 1]], truth[[4, 5]]])
        found = np.column_stack((fits.x, fits.y))
        if np.abs(found - places).sum() > np.abs(found[::-1] - places).sum():
            places = places[::-1]
            bound = cramer_rao(truth, candidates)[[2, 3, 0, 1]].reshape(2, 2)
        else:
            bound = cramer_rao(truth, candidates).reshape(2, 2)
        error = found - places
        over_bound.append((error / bound).ravel())
        over_reported.append((error / np.sqrt(np.column_stack((fits.variance_x, fits.variance_y)))).ravel())
    assert found_pairs > 0.97 * n
    assert np.sqrt(np.mean(np.square(over_bound))) == pytest.approx(1.0, abs=0.1)
    assert np.sqrt(np.mean(np.square(over_reported))) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("photons", "em"), [(800.0, False), (3000.0, True)])
def test_one_molecule_stays_one(photons, em):
    n = 3000
    _, _, pictures = snapshots(11, n, photons=photons, background=30.0, sigma=1.3, em=em)
    split = sum(len(resolved(picture, 6, 6, PsfWidth(1.3, 0.2))) > 1 for picture in pictures)
    # By chance P_VALUE * n, 0.3: 4 or more would be one in 4,000.
    assert P_VALUE * n == pytest.approx(0.3)
    assert split < 4


def test_gain_of_each_is_what_the_likelihood_loses_without_it():
    truth = np.array([6.3, 8.1, 1.3, 1500.0, 9.6, 7.8, 1.3, 1300.0, 20.0])
    picture = np.random.default_rng(5).poisson(several(truth, (17, 17)))
    fits = resolved(picture, [8, 8], [6, 10], PsfWidth(1.3, 0.0))
    assert len(fits) == 2
    seen = np.zeros((17, 17), bool)
    seen[5:12, 3:14] = True
    counts = picture[seen]

    def loss(parameters):
        mean = several(parameters, (17, 17))[seen]
        return (mean - counts * np.log(mean)).sum()

    pair = np.column_stack((fits.x, fits.y, [1.3, 1.3], fits.amplitude)).ravel()
    best = loss(np.append(pair, fits.background[0]))
    for each in range(2):
        # The one that is left may stay, or move to between the two.
        stays = pair[[4, 5, 7]] if each == 0 else pair[[0, 1, 3]]
        between = 0.5 * (pair[[4, 5, 7]] + pair[[0, 1, 3]])
        alone = min(
            scipy_minimize(
                lambda p: loss(np.array([p[0], p[1], 1.3, p[2], p[3]])),
                np.append(start, fits.background[0]),
                method="Nelder-Mead",
                options={"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-8},
            ).fun
            for start in (stays, between)
        )
        assert fits.goodness.log_likelihood_ratio[each] == pytest.approx(alone - best, abs=0.05)


def test_noisy_pixels_whose_noise_is_known_are_no_molecule():
    random = np.random.default_rng(2)
    one = np.array([6.0, 6.0, 1.3, 800.0, 20.0])
    extra = np.zeros((13, 13))
    extra[5:7, 8:10] = 100.0
    with_it = without = 0
    for _ in range(50):
        picture = random.poisson(mean_counts(one, (13, 13)) + extra)
        with_it += len(resolved(picture, 6, 6, PsfWidth(1.3, 0.1), extra=extra)) > 1
        without += len(resolved(picture, 6, 6, PsfWidth(1.3, 0.1))) > 1
    assert with_it == 0
    assert without == 50


def test_no_more_emitters_than_allowed():
    random = np.random.default_rng(4)
    places = [(4.0, 4.0), (6.5, 4.0), (4.0, 6.5), (6.5, 6.5)]
    truth = np.array([value for place in places for value in (*place, 1.0, 5000.0)] + [10.0])
    picture = random.poisson(several(truth, (12, 12)))
    found = [
        len(resolved(picture, 5, 5, PsfWidth(1.0, 0.05), most_emitters=most)) for most in (1, 2, 3, 4, 5)
    ]
    assert found == [1, 2, 3, 4, 4]


def test_equal_photons_are_equal():
    _, picture = next(pairs(1, 2.5, 1500.0, seed=6))
    fits = resolved(picture, 8, 8, PsfWidth(1.3, 0.1), equal_photons=True)
    assert len(fits) == 2
    assert fits.amplitude[0] == pytest.approx(fits.amplitude[1])
    assert fits.variance_amplitude[0] == pytest.approx(fits.variance_amplitude[1])
    free = resolved(picture, 8, 8, PsfWidth(1.3, 0.1))
    assert fits.variance_amplitude[0] < 0.7 * free.variance_amplitude.min()
    assert fits.amplitude[0] == pytest.approx(1500.0, rel=0.15)


@given(
    st.lists(st.tuples(st.integers(0, 19), st.integers(0, 24)), min_size=1, max_size=25, unique=True),
    st.sampled_from([5, 7, 9]),
)
@settings(max_examples=60, deadline=None)
def test_groups_are_overlapping_windows_and_each_pixel_has_its_nearest_spot(places, window_px):
    rows, columns = np.array(places).T
    groups = crowding._groups(rows, columns, window_px)
    near = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns)) < window_px
    assert np.bincount(groups).max() <= MOST_SPOTS_IN_A_GROUP
    _, part = connected_components(near)
    linked = part[:, None] == part
    assert not (groups[:, None] == groups)[~linked].any()
    small = linked.sum(axis=1) <= MOST_SPOTS_IN_A_GROUP
    assert ((groups[:, None] == groups) == linked)[small].all()
    owner, distance = np.empty((20, 25), np.int64), np.empty((20, 25), np.int64)
    claim_pixels(rows, columns, groups, window_px // 2, owner, distance)
    y, x = np.mgrid[:20, :25, :1][:2]
    square = (rows - y) ** 2 + (columns - x) ** 2
    square[np.maximum(abs(rows - y), abs(columns - x)) > window_px // 2] = 10**6
    nearest = square.min(axis=2, keepdims=True)
    np.testing.assert_array_equal(owner == -1, nearest[..., 0] == 10**6)
    owned = ((square == nearest) & (groups == owner[..., None])).any(axis=2)
    assert owned[owner >= 0].all()


@pytest.mark.parametrize("mean", [0.02, 0.5, 3.0, 40.0])
def test_misfit_of_a_true_model_is_as_expected(mean):
    """At few counts a pixel's deviance is far from 1 on average; the law knows."""
    picture = np.random.default_rng(7).poisson(mean, (400, 400)).astype(np.float32)
    rows, columns = (each.ravel() for each in np.mgrid[3:400:7, 3:400:7])
    fits = np.column_stack((columns, rows, np.full((len(rows), 3), [1.0, 0.0, mean])))
    poorness = np.empty(len(rows))
    nothing = np.empty((0, 0), np.float32)
    law = crowding._deviance_law()
    judge_spots(picture, nothing, rows, columns, 7, (1.0, 4.0), fits, law, poorness)
    assert poorness.mean() == pytest.approx(0.0, abs=0.06)
    assert poorness.std() == pytest.approx(1.0, abs=0.06)
    # A width that is two standard deviations off counts as 4 of misfit.
    wide = poorness.copy()
    judge_spots(picture, nothing, rows, columns, 7, (2.0, 4.0), fits, law, wide)
    ratio = (wide - poorness) / 4.0
    _, _, variance = law[np.abs(law[:, 0] - math.log(mean)).argmin()]
    np.testing.assert_allclose(ratio, 1.0 / math.sqrt(49 * variance), rtol=0.1)


@given(st.integers(0, 10_000), st.floats(-3.0, 3.0), st.sampled_from([0.0, 0.1, math.inf]))
@example(197, -2.0, 0.0)  # an emitter ends where none of the pixels is
@settings(max_examples=60, deadline=None)
def test_borders_dark_pixels_and_negative_counts_give_finite_numbers(seed, level, std_px):
    random = np.random.default_rng(seed)
    picture = random.normal(level, 1.0, (11, 13))
    for _ in range(6):
        place = random.uniform(-1.0, 12.0, 2)
        picture += mean_counts(np.array([*place, 1.2, random.uniform(5.0, 400.0), 0.0]), (11, 13))
    spots = np.unique(random.integers(0, 11, (8, 2)), axis=0)
    fits = resolved(picture, spots[:, 0], spots[:, 1], PsfWidth(1.2, std_px))
    for values in (fits.x, fits.y, fits.sigma, fits.amplitude, fits.background, fits.variance_x):
        assert np.isfinite(values).all()
    assert (fits.variance_x > 0.0).all()
    assert (fits.goodness.n_pixels > 0).all()
    assert ((fits.x >= -0.5) & (fits.x <= 12.5) & (fits.y >= -0.5) & (fits.y <= 10.5)).all()


def test_nothing_to_resolve():
    nothing = np.empty(0, np.int64)
    assert len(resolved(np.zeros((9, 9)), nothing, nothing, PsfWidth())) == 0
    assert len(resolved(np.full((9, 9), 5.0), 4, 4, PsfWidth())) == 0


def crowded_movie(density, seed, frames=12):
    simulated = SimulationSettings(
        frames=frames, size_px=96, density_per_um2=density, background_photons=50.0, seed=seed
    )
    parts, job = [], simulate(simulated)
    while True:
        try:
            parts.append(next(job).frames)
        except StopIteration as stop:
            return np.concatenate(parts), stop.value, simulated.camera


def test_crowded_movies_are_told_apart_and_columns_stay():
    movie, truth, camera = crowded_movie(1.0, seed=71)
    one, several_ = (
        finish(Localizer(camera, LocalizerSettings(most_emitters=most)).localize(movie)) for most in (1, 5)
    )
    assert list(one.data) == list(several_.data)
    assert score(one, truth).f1 < 0.80
    assert score(several_, truth).f1 > 0.86
    assert several_.provenance["settings"]["most_emitters"] == 5


def test_spots_that_lie_alone_and_fit_well_are_left_as_they_are():
    movie, _, camera = crowded_movie(0.05, seed=72, frames=30)
    one, several_ = (
        finish(Localizer(camera, LocalizerSettings(most_emitters=most)).localize(movie)) for most in (1, 5)
    )
    rows = [set(map(tuple, table.data.to_numpy().tolist())) for table in (one, several_)]
    assert len(rows[0] & rows[1]) > 0.75 * len(one)


def test_no_emitter_below_the_ratio_asked_for():
    movie, truth, camera = crowded_movie(0.6, seed=73)
    how = LocalizerSettings(most_emitters=5, false_per_frame=0.1)
    table = finish(Localizer(camera, how).localize(movie))
    asked = table.provenance["learned"]["acceptance"]["log_likelihood_ratio"]
    assert table.column("log_likelihood_ratio").min() >= asked
    assert score(table, truth).f1 > 0.88


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"most_emitters": 0}, "1 to 5"),
        ({"most_emitters": 6}, "1 to 5"),
        ({"equal_photons": True}, "more than 1"),
        ({"most_emitters": 2, "fit": "lsq"}, "maximum likelihood"),
        ({"most_emitters": 2, "fit_on": "denoised"}, "noisy"),
        ({"most_emitters": 2, "widths": "elliptical"}, "round"),
        ({"most_emitters": 2, "preset": "thunderstorm"}, "allow 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong, word):
    with pytest.raises(BlinkspotError, match=word):
        LocalizerSettings(**wrong)
