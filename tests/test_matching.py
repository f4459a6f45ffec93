"""Pairs of localizations and molecules, against a plain search for the nearest."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation.scoring import assignment
from blinkspot.evaluation.scoring.matching import match, pairs_within
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


def best_of_all(found, truth, tolerance_nm):
    """Return number of pairs and sum of squared distances of the optimal choice, by trying all."""
    squared = {
        (i, j): (x - u) ** 2 + (y - v) ** 2
        for i, (frame, x, y) in enumerate(found)
        for j, (other, u, v) in enumerate(truth)
        if frame == other and np.hypot(x - u, y - v) <= tolerance_nm
    }

    def best(row, taken):
        if row == len(found):
            return 0, 0.0
        choices = [best(row + 1, taken)]
        for (i, j), cost in squared.items():
            if i == row and j not in taken:
                pairs, others = best(row + 1, taken | {j})
                choices.append((pairs + 1, others + cost))
        return max(choices, key=lambda choice: (choice[0], -choice[1]))

    return best(0, frozenset())


few_places = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 9).map(lambda n: n * 10.0),
        st.integers(0, 9).map(lambda n: n * 10.0),
    ),
    max_size=6,
)
few_anywhere = st.lists(
    st.tuples(st.just(0), st.floats(-60, 60, width=32), st.floats(-60, 60, width=32)), max_size=6
)


@pytest.mark.parametrize("most_dense", [2**21, 0], ids=["dense", "sparse"])
@given(found=few_places | few_anywhere, truth=few_places | few_anywhere)
def test_the_optimal_pairs_are_the_best_of_all_choices(most_dense, found, truth):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assignment, "_MOST_DENSE", most_dense)
        matched = match(pairs_within(table(found), table(truth), 50.0), "optimal")
    n_pairs, squared = best_of_all(found, truth, 50.0)
    assert len(matched) == len(set(matched.found)) == len(set(matched.truth)) == n_pairs
    assert np.sum(matched.distance_nm**2) == pytest.approx(squared, rel=1e-9, abs=1e-9)
    assert (np.diff(matched.distance_nm) >= 0).all()
    for i, j, distance_nm in zip(matched.found, matched.truth, matched.distance_nm, strict=True):
        assert found[i][0] == truth[j][0]
        assert np.hypot(found[i][1] - truth[j][1], found[i][2] - truth[j][2]) == pytest.approx(distance_nm)


def test_where_the_two_rules_differ():
    found = table([(0, 0.0, 0.0), (0, 30.0, 0.0)])
    truth = table([(0, 20.0, 0.0), (0, 75.0, 0.0)])
    pairs = pairs_within(found, truth, 50.0)
    assert len(match(pairs, "nearest")) == 1
    optimal = match(pairs, "optimal")
    assert list(optimal.found) == [0, 1]
    np.testing.assert_allclose(optimal.distance_nm, [20.0, 45.0])


def test_a_crowded_frame_that_is_one_part_is_solved_alike_as_dense_and_sparse(monkeypatch):
    random = np.random.default_rng(0)
    places = random.uniform(0, 2500, (2, 600, 2))
    found, truth = ([(0, *place) for place in each] for each in places.tolist())
    pairs = pairs_within(table(found), table(truth), 150.0)
    dense = match(pairs, "optimal")
    monkeypatch.setattr(assignment, "_MOST_DENSE", 0)
    sparse = match(pairs, "optimal")
    assert len(dense) == len(sparse) >= len(match(pairs))
    assert np.sum(dense.distance_nm**2) == pytest.approx(np.sum(sparse.distance_nm**2), rel=1e-12)


def test_another_rule_is_refused():
    with pytest.raises(BlinkspotError, match="nearest or optimal, not 'best'"):
        match(pairs_within(table([]), table([]), 50.0), "best")


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


@pytest.mark.parametrize("tolerance_nm", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_a_tolerance_must_be_a_distance_in_a_field(tolerance_nm):
    with pytest.raises(BlinkspotError, match="tolerance"):
        pairs_within(table([]), table([]), tolerance_nm)
