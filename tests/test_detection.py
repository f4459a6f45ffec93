import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numba.core.caching import CompileResultCacheImpl
from scipy import ndimage

from blinkspot.localization._compiling import compiled
from blinkspot.localization.detection import (
    find_above_noise_in_frames,
    find_candidates,
    local_maxima,
    wavelet_filter,
)
from blinkspot.localization.duplicates import without_duplicates


def reference_filter(picture):
    picture = picture.astype(np.float64)
    first = np.array([1, 4, 6, 4, 1]) / 16
    second = np.array([1, 0, 4, 0, 6, 0, 4, 0, 1]) / 16

    def smooth(image, taps):
        for axis in (0, 1):
            image = ndimage.correlate1d(image, taps, axis=axis, mode="nearest")
        return image

    v1 = smooth(picture, first)
    v2 = smooth(v1, second)
    return v1 - v2, v2, (picture - v1).std()


def reference_maxima(picture, minimum):
    """The first unexceeded pixel of each connected set of equal pixels that has one."""
    highest = ndimage.maximum_filter(picture, size=3, mode="nearest")
    places = set()
    for value in np.unique(picture[picture >= minimum]):
        plateaus, n = ndimage.label(picture == value, structure=np.ones((3, 3)))
        for number in range(1, n + 1):
            peaks = np.argwhere((plateaus == number) & (highest == value))
            if len(peaks):
                places.add(tuple(peaks[0].tolist()))
    return places


@pytest.mark.parametrize("shape", [(40, 31), (5, 60), (3, 2), (1, 1), (128, 128)])
def test_the_wavelet_filter_is_that_of_scipy(shape):
    picture = np.random.default_rng(1).poisson(20, shape).astype(np.float32)
    response, smooth, noise = wavelet_filter(picture)
    expected, expected_smooth, expected_noise = reference_filter(picture)
    np.testing.assert_allclose(response, expected, atol=2e-5 * 20)
    np.testing.assert_allclose(smooth, expected_smooth, rtol=1e-5)
    assert noise == pytest.approx(expected_noise, rel=1e-5, abs=1e-5)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3)))
@settings(max_examples=200, deadline=None)
def test_each_plateau_is_reported_once_and_each_maximum_is_found(picture):
    rows, columns = local_maxima(picture, 1.0)
    found = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert found == sorted(reference_maxima(picture, 1.0))


def test_a_molecule_between_four_pixels_is_one_candidate():
    picture = np.zeros((15, 15), dtype=np.float32)
    picture[7:9, 7:9] = 8.0
    assert len(find_candidates(picture, 1.0)) == 1


@pytest.mark.parametrize("row", [0, 1, 9, 19])
@pytest.mark.parametrize("column", [0, 2, 24])
def test_molecules_at_the_border_are_found(row, column):
    picture = np.random.default_rng(0).normal(0, 0.05, (20, 25))
    y, x = np.mgrid[:20, :25]
    picture += np.exp(-0.5 * ((y - row) ** 2 + (x - column) ** 2) / 1.2**2)
    candidates = find_candidates(picture.astype(np.float32), 3.0)
    assert (row, column) in zip(candidates.rows, candidates.columns, strict=True)


@pytest.mark.parametrize("value", [0.0, 100.3, 65535.0, 1e-20])
def test_a_flat_frame_has_no_candidates(value):
    assert len(find_candidates(np.full((30, 30), value, dtype=np.float32), 0.5)) == 0


@given(st.integers(0, 10_000), st.floats(0.1, 2.0), st.floats(1.0, 3.0))
@settings(max_examples=50, deadline=None)
def test_a_higher_threshold_only_takes_candidates_away(seed, low, factor):
    picture = np.random.default_rng(seed).poisson(3, (32, 32)).astype(np.float32)
    many, few = find_candidates(picture, low), find_candidates(picture, low * factor)
    strong = many.strength >= low * factor
    np.testing.assert_array_equal(many.rows[strong], few.rows)
    np.testing.assert_array_equal(many.columns[strong], few.columns)
    np.testing.assert_array_equal(many.strength[strong], few.strength)


@given(st.integers(0, 10_000), st.floats(0.1, 50.0), st.floats(-100.0, 100.0))
@settings(max_examples=50, deadline=None)
def test_strength_does_not_depend_on_the_unit(seed, scale, shift):
    picture = np.random.default_rng(seed).poisson(10, (24, 24)).astype(np.float32)
    one, other = (
        find_candidates(picture, 1.0),
        find_candidates((picture * scale + shift).astype(np.float32), 1.0),
    )
    common = min(len(one), len(other))
    # A candidate whose strength is the threshold may fall on either side.
    assert abs(len(one) - len(other)) <= 1
    if len(one) == len(other):
        np.testing.assert_allclose(one.strength[:common], other.strength[:common], rtol=0.02)


def test_strength_is_the_response_in_units_of_the_finest_plane():
    picture = np.random.default_rng(2).poisson(10, (64, 64)).astype(np.float32)
    response, _, noise = reference_filter(picture)
    candidates = find_candidates(picture, 0.3)
    assert len(candidates) > 10
    np.testing.assert_allclose(
        candidates.strength, response[candidates.rows, candidates.columns] / noise, rtol=1e-4
    )


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_of_neighbours_the_stronger_stays_whatever_the_threshold(seed, threshold):
    random = np.random.default_rng(seed)
    positions, strength = random.uniform(0, 6, (25, 2)), random.choice(np.linspace(0, 1, 12), 25)
    kept = without_duplicates(positions, strength, 1.0)
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    near = (distances < 1.0) & ~np.eye(25, dtype=bool)
    assert not near[np.ix_(kept, kept)].any()
    for lost in np.setdiff1d(np.arange(25), kept):
        assert (strength[kept][near[lost, kept]] >= strength[lost]).any()
    strong = np.flatnonzero(strength >= threshold)
    filtered_first = strong[without_duplicates(positions[strong], strength[strong], 1.0)]
    np.testing.assert_array_equal(filtered_first, kept[strength[kept] >= threshold])


def test_functions_compile_where_machine_code_cannot_be_kept(monkeypatch):
    """As in a container whose user has no folder of their own."""
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])

    def twice(number):
        return 2 * number

    assert compiled(twice)(21) == 42


def test_stored_code_is_stale_once_the_shared_file_has_changed(tmp_path, monkeypatch):
    """The functions of that file are part of the machine code of those that call them."""
    shared = tmp_path / "kernel_maths.py"
    monkeypatch.setattr("blinkspot.localization._compiling.SHARED", (shared,))
    module = tmp_path / "kernel.py"
    module.write_text("def twice(number):\n    return 2 * number\n")
    monkeypatch.syspath_prepend(tmp_path)
    twice = importlib.import_module("kernel").twice

    def hits():
        function = compiled(twice)
        assert function(21) == 42
        return sum(function.stats.cache_hits.values())

    shared.write_text("one")
    assert hits() == 0
    assert hits() == 1
    shared.write_text("another")
    assert hits() == 0


def test_what_stands_out_is_measured_in_the_noise_of_its_own_place():
    """Of two equal spots, the one on the brighter ground stands out less; nowhere does the frame count."""
    random = np.random.default_rng(4)
    ground = np.repeat([20.0, 2000.0], 40)[None] * np.ones((80, 1))
    picture = random.poisson(ground).astype(np.float32)
    _, candidates, ratio = find_above_noise_in_frames(picture[None], 0.3)
    response, smooth, noise = wavelet_filter(picture)
    places = candidates.rows, candidates.columns
    np.testing.assert_allclose(ratio, response[places] / np.sqrt(smooth[places]), rtol=1e-6)
    np.testing.assert_allclose(candidates.strength, response[places] / noise, rtol=1e-6)
    dark, bright = candidates.columns < 38, candidates.columns >= 42
    assert dark.sum() == pytest.approx(bright.sum(), rel=0.35)
    assert (np.quantile(ratio[dark], 0.5) / np.quantile(ratio[bright], 0.5)) == pytest.approx(1.0, abs=0.15)
    _, few, few_ratio = find_above_noise_in_frames(picture[None], 0.6)
    assert len(few) == (ratio >= 0.6).sum()
    assert (few_ratio >= 0.6).all()
