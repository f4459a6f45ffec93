"""Pairs of localizations and molecules, against a plain search for the nearest."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.matching import match, pairs_within
from blinkspot.localization import LocalizationTable


def table(rows) -> LocalizationTable:
    return LocalizationTable(
        pd.DataFrame(rows, columns=["frame", "x_nm", "y_nm"]).astype(
            {"frame": np.int64, "x_nm": float, "y_nm": float}
        )
    )


def plainly_matched(found, truth, tolerance_nm):
    """Pair the nearest of all, strike both out, start again."""
    left = {
        (float(np.hypot(x - u, y - v)), i, j)
        for i, (frame, x, y) in enumerate(found)
        for j, (other, u, v) in enumerate(truth)
        if frame == other and np.hypot(x - u, y - v) <= tolerance_nm
    }
    chosen = []
    while left:
        nearest = min(left)
        chosen.append(nearest)
        left = {pair for pair in left if pair[1] != nearest[1] and pair[2] != nearest[2]}
    return chosen


# Places on a coarse grid make equal distances, duplicates and distances of just the tolerance common.
places = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 12).map(lambda n: n * 10.0),
        st.integers(0, 12).map(lambda n: n * 10.0),
    ),
    max_size=25,
)
anywhere = st.lists(
    st.tuples(st.integers(0, 2), st.floats(-200, 200, width=32), st.floats(-200, 200, width=32)), max_size=25
)


@given(found=places | anywhere, truth=places | anywhere)
def test_the_nearest_pairs_are_chosen_first(found, truth):
    matched = match(pairs_within(table(found), table(truth), 50.0))
    expected = plainly_matched(found, truth, 50.0)
    np.testing.assert_allclose(matched.distance_nm, [pair[0] for pair in expected], rtol=1e-12)
    assert list(zip(matched.found, matched.truth, strict=True)) == [pair[1:] for pair in expected]


def test_a_near_localization_takes_the_molecule_from_a_far_one():
    found = table([(0, 0.0, 0.0), (0, 30.0, 0.0)])
    truth = table([(0, 40.0, 0.0), (0, -45.0, 0.0)])
    matched = match(pairs_within(found, truth, 50.0))
    assert list(matched.found) == [1, 0]
    assert list(matched.truth) == [0, 1]
    np.testing.assert_allclose(matched.distance_nm, [10.0, 45.0])


def test_frames_are_kept_apart_however_late():
    found = table([(999_999, 0.0, 0.0), (1_000_000, 7.0, 0.0)])
    truth = table([(1_000_000, 0.0, 0.0)])
    matched = match(pairs_within(found, truth, 50.0))
    assert list(matched.found) == [1]
    np.testing.assert_allclose(matched.distance_nm, [7.0], rtol=1e-12)


@pytest.mark.parametrize("tolerance_nm", [0.0, -1.0, float("nan")])
def test_a_tolerance_must_be_above_zero(tolerance_nm):
    with pytest.raises(BlinkspotError, match="tolerance"):
        pairs_within(table([]), table([]), tolerance_nm)
