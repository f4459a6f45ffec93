"""Scores against ThunderSTORM's own counts, and the threshold curve against scoring from scratch."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import Scores, score, threshold_curve
from blinkspot.evaluation.scoring.curve import best_of
from blinkspot.localization import LocalizationTable, read_table


def table(frame, x_nm, y_nm, **more) -> LocalizationTable:
    return LocalizationTable(
        pd.DataFrame({"frame": np.asarray(frame, np.int64), "x_nm": x_nm, "y_nm": y_nm, **more})
    )


def crowded(seed: int, n_truth: int = 400, n_false: int = 300, n_frames: int = 12):
    """Return localizations and molecules such that at many molecules several localizations compete."""
    random = np.random.default_rng(seed)
    frame = random.integers(0, n_frames, n_truth)
    x, y = random.uniform(0, 2000, (2, n_truth))
    seen = random.random(n_truth) < 0.8
    false_frame = random.integers(0, n_frames, n_false)
    false_x, false_y = random.uniform(0, 2000, (2, n_false))
    found = table(
        np.concatenate([frame[seen], false_frame]),
        np.concatenate([x[seen] + random.normal(0, 25, seen.sum()), false_x]),
        np.concatenate([y[seen] + random.normal(0, 25, seen.sum()), false_y]),
        detection_strength=np.concatenate(
            [random.normal(2.0, 0.5, seen.sum()), random.normal(1.0, 0.4, n_false)]
        ),
    )
    return found, table(frame, x, y)


@pytest.mark.parametrize(
    ("movie", "fit", "true_positives", "false_positives", "false_negatives"),
    [
        ("low120", "wlsq", 3864, 765, 1056),
        ("low120", "mle", 4106, 541, 814),
        ("default", "wlsq", 2770, 79, 425),
        ("yfp3_bg100", "wlsq", 4294, 123, 654),
        ("yfp4_bg100", "mle", 6369, 447, 1466),
    ],
)
def test_thunderstorms_own_counts(shared_data, movie, fit, true_positives, false_positives, false_negatives):
    folder = shared_data / "simulated"
    scores = score(
        read_table(folder / f"{movie}_thunderstorm_{fit}.csv"), read_table(folder / f"{movie}_truth.csv")
    )
    counted = (scores.true_positives, scores.false_positives, scores.false_negatives)
    assert counted == (true_positives, false_positives, false_negatives)


@given(tp=st.integers(0, 10**6), fp=st.integers(0, 10**6), fn=st.integers(0, 10**6))
def test_the_ratios_follow_from_the_counts(tp, fp, fn):
    scores = Scores(tp, fp, fn, 1.0, 1.0)
    if tp:
        assert scores.precision == pytest.approx(tp / (tp + fp))
        assert scores.recall == pytest.approx(tp / (tp + fn))
        harmonic = 2 / (1 / scores.precision + 1 / scores.recall)
        assert scores.f1 == pytest.approx(harmonic)
        assert scores.f1 == pytest.approx(2 * scores.jaccard / (1 + scores.jaccard))
    elif fp + fn:
        assert scores.f1 == scores.jaccard == 0.0
    else:
        assert math.isnan(scores.f1)


def test_the_two_errors():
    found = table([0, 0], [3.0, 1000.0], [4.0, 0.0])
    truth = table([0, 0], [0.0, 1000.0], [0.0, 12.0])
    scores = score(found, truth)
    assert scores.mean_error_nm == pytest.approx((5 + 12) / 2)
    assert scores.rmse_nm == pytest.approx(math.sqrt((5**2 + 12**2) / 2))


def test_the_errors_of_each_axis():
    found = table([0, 0, 0], [3.0, 1001.0, 2000.0], [4.0, 0.0, 7.0], z_nm=[30.0, -10.0, np.nan])
    truth = table([0, 0, 0], [0.0, 1000.0, 2002.0], [0.0, 12.0, 7.0], z_nm=[0.0, 10.0, 5.0])
    scores = score(found, truth)
    assert scores.bias_x_nm == pytest.approx((3 + 1 - 2) / 3)
    assert scores.bias_y_nm == pytest.approx((4 - 12 + 0) / 3)
    assert scores.rmse_x_nm == pytest.approx(math.sqrt((9 + 1 + 4) / 3))
    assert scores.rmse_y_nm == pytest.approx(math.sqrt((16 + 144) / 3))
    assert scores.rmse_nm == pytest.approx(math.hypot(scores.rmse_x_nm, scores.rmse_y_nm))
    assert scores.bias_z_nm == pytest.approx((30 - 20) / 2)
    assert scores.rmse_z_nm == pytest.approx(math.sqrt((900 + 400) / 2))
    flat = score(found, table([0], [0.0], [0.0])).as_dict()
    assert flat["bias_z_nm"] is flat["rmse_z_nm"] is flat["efficiency_axial"] is None


def test_the_challenges_efficiency():
    # Sage et al. 2019: 100 - ((100 - JAC)^2 + alpha^2 RMSE^2)^0.5, JAC in percent.
    scores = Scores(70, 10, 20, rmse_nm=40.0, mean_error_nm=1.0, rmse_z_nm=80.0)
    assert scores.jaccard == 0.7
    assert scores.efficiency == pytest.approx(100 - math.sqrt(30**2 + 40**2)) == pytest.approx(50.0)
    assert scores.efficiency_axial == pytest.approx(50.0)
    assert Scores(5, 0, 0, 0.0, 0.0).efficiency == 100.0
    assert Scores(0, 5, 5, math.nan, math.nan).as_dict()["efficiency"] is None


def test_optimal_matching_counts_what_nearest_first_loses():
    found = table([0, 0], [0.0, 30.0], [0.0, 0.0])
    truth = table([0, 0], [20.0, 75.0], [0.0, 0.0])
    assert score(found, truth).true_positives == 1
    assert score(found, truth, matching="optimal").true_positives == 2


FIELD = (1000.0, 2000.0)  # height, width


def test_what_is_in_the_border_counts_neither_way():
    molecules = {
        "in border, found inside": ((95.0, 500.0), (120.0, 500.0)),
        "inside, found in border": ((500.0, 110.0), (500.0, 80.0)),
        "in border, found there": ((1950.0, 500.0), (1960.0, 500.0)),
        "inside, found inside": ((1000.0, 500.0), (1010.0, 500.0)),
        "in border, missed": ((1000.0, 950.0), None),
        "inside, missed": ((1400.0, 500.0), None),
        "false in border": (None, (1200.0, 20.0)),
        "false outside the field": (None, (2100.0, 500.0)),
        "false inside": (None, (1200.0, 800.0)),
    }
    there = np.array([place for place, _ in molecules.values() if place])
    seen = np.array([place for _, place in molecules.values() if place])
    truth, found = (table(np.zeros(len(each)), *each.T) for each in (there, seen))
    scores = score(found, truth, border_nm=100.0, field_nm=FIELD)
    assert (scores.true_positives, scores.false_positives, scores.false_negatives) == (2, 1, 1)
    assert scores.rmse_nm == pytest.approx(math.sqrt((30**2 + 10**2) / 2))
    whole = score(found, truth)
    assert (whole.true_positives, whole.false_positives, whole.false_negatives) == (4, 3, 2)
    assert score(found, truth, border_nm=0.0, field_nm=FIELD) == score(found, truth)


@given(seed=st.integers(0, 1000), border_nm=st.floats(0, 900))
def test_a_border_keeps_the_books_balanced(seed, border_nm):
    found, truth = crowded(seed, 60, 40, 3)
    field = (2000.0, 2000.0)
    scores = score(found, truth, border_nm=border_nm, field_nm=field)
    x, y = truth.column("x_nm"), truth.column("y_nm")
    inside = np.minimum.reduce([x, y, 2000 - x, 2000 - y]) >= border_nm
    assert scores.true_positives + scores.false_negatives == inside.sum()
    whole = score(found, truth)
    assert scores.true_positives <= whole.true_positives
    assert scores.false_positives <= whole.false_positives


def test_the_field_is_taken_from_the_table_that_knows_it():
    made_by = {"camera": {"pixel_size_nm": 100.0}, "movie_shape": [1, 10, 20]}
    truth = table([0, 0], [50.0, 1000.0], [500.0, 500.0])
    found = truth.with_provenance(made_by)
    assert score(found, truth, border_nm=100.0).true_positives == 1
    assert score(truth, found, border_nm=100.0).true_positives == 1


@pytest.mark.parametrize(
    ("border_nm", "field_nm", "words"),
    [
        (-1.0, FIELD, "0 nm or wider"),
        (math.nan, FIELD, "0 nm or wider"),
        (100.0, None, "give the height and width of the field"),
        (500.0, FIELD, "leaves nothing of a field that is 2000 nm wide and 1000 nm high"),
    ],
)
def test_a_border_that_cannot_be_is_refused(border_nm, field_nm, words):
    some = table([0], [1.0], [1.0])
    with pytest.raises(BlinkspotError, match=words):
        score(some, some, border_nm=border_nm, field_nm=field_nm)


def test_empty_tables():
    some, none = table([0, 1], [1.0, 2.0], [1.0, 2.0]), table([], [], [])
    assert score(none, some).as_dict()["false_negatives"] == 2
    assert score(none, some).f1 == 0.0
    assert score(some, none).false_positives == 2
    nothing = score(none, none).as_dict()
    assert nothing["true_positives"] == 0
    assert nothing["f1"] is nothing["precision"] is nothing["rmse_nm"] is None
    json.dumps(nothing, allow_nan=False)


def test_the_keys_that_others_read():
    assert list(Scores(1, 2, 3, 4.0, 5.0).as_dict()) == [
        "true_positives", "false_positives", "false_negatives", "jaccard", "precision", "recall", "f1",
        "rmse_nm", "mean_error_nm", "rmse_x_nm", "rmse_y_nm", "rmse_z_nm", "bias_x_nm", "bias_y_nm",
        "bias_z_nm", "efficiency", "efficiency_axial",
    ]  # fmt: skip


def test_a_million_rows():
    random = np.random.default_rng(0)
    n = 1_000_000
    frame = random.integers(0, 20_000, n)
    x, y = random.uniform(0, 20_000, (2, n))
    scores = score(table(frame, x + random.normal(0, 10, n), y + random.normal(0, 10, n)), table(frame, x, y))
    assert scores.recall > 0.99
    # Two coordinates of 10 nm each; the few swapped pairs are the nearer ones.
    assert scores.rmse_nm == pytest.approx(10 * math.sqrt(2), rel=0.02)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_point_of_the_curve_is_the_score_of_the_table_above_it(seed):
    found, truth = crowded(seed)
    curve = threshold_curve(found, truth)
    assert 50 <= len(curve.threshold) <= 60
    assert (np.diff(curve.threshold) > 0).all()
    for index, threshold in enumerate(curve.threshold):
        kept = LocalizationTable(
            found.data[found.data["detection_strength"] >= threshold].reset_index(drop=True)
        )
        expected = score(kept, truth)
        assert curve.scores(index).as_dict() == pytest.approx(expected.as_dict())
        assert curve.f1[index] == pytest.approx(expected.f1)
        assert curve.precision[index] == pytest.approx(expected.precision)
        assert curve.recall[index] == pytest.approx(expected.recall)
        assert curve.n_found[index] == len(kept.data)
    assert curve.f1[curve.best_index] == curve.f1.max()
    assert curve.best == curve.threshold[curve.best_index]


def test_the_best_threshold_is_as_good_as_an_exhaustive_search():
    found, truth = crowded(2)
    every = [
        score(LocalizationTable(found.data[found.data["detection_strength"] >= threshold]), truth).f1
        for threshold in np.sort(found.data["detection_strength"])[::4]
    ]
    curve = threshold_curve(found, truth)
    assert curve.f1[curve.best_index] > max(every) - 0.002


def test_a_selection_of_frames_scores_as_the_tables_of_these_frames():
    found, truth = crowded(3)
    curve = threshold_curve(found, truth)
    weights = (np.arange(len(curve.truth)) < 5).astype(float)
    index = curve.best_index
    kept = found.data[
        (found.data["detection_strength"] >= curve.threshold[index]) & (found.data["frame"] < 5)
    ]
    expected = score(LocalizationTable(kept), LocalizationTable(truth.data[truth.data["frame"] < 5]))
    assert curve.f1_of(weights)[index] == pytest.approx(expected.f1)


def test_blocks_keep_the_sums():
    found, truth = crowded(4)
    curve = threshold_curve(found, truth)
    blocks = curve.in_blocks(5)
    assert blocks.found.shape == (len(curve.threshold), 3)
    np.testing.assert_array_equal(blocks.pairs[:, 1], curve.pairs[:, 5:10].sum(axis=1))
    np.testing.assert_allclose(blocks.f1, curve.f1)


def test_the_curve_of_a_table_with_nothing_in_it():
    none = table([], [], [], detection_strength=[])
    curve = threshold_curve(none, table([3], [1.0], [1.0]))
    assert curve.f1[curve.best_index] == 0.0
    assert curve.scores(curve.best_index).false_negatives == 1


def test_the_curve_needs_detection_strengths():
    with pytest.raises(BlinkspotError, match="detected"):
        threshold_curve(table([0], [0.0], [0.0]), table([0], [0.0], [0.0]))


def test_among_equals_the_highest_threshold_is_best():
    assert best_of(np.array([0.1, 0.5, 0.5, 0.2])) == 2
    assert best_of(np.array([np.nan, np.nan])) == 1
    assert best_of(np.array([0.3, np.nan])) == 0
