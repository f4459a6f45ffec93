"""Scores against ThunderSTORM's own counts, and the threshold curve against scoring from scratch."""

import json
import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.evaluation import Scores, score, threshold_curve
from blinkspot.evaluation.curve import best_of
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
        "rmse_nm", "mean_error_nm",
    ]  # fmt: skip


def test_a_million_rows_take_seconds():
    random = np.random.default_rng(0)
    n = 1_000_000
    frame = random.integers(0, 20_000, n)
    x, y = random.uniform(0, 20_000, (2, n))
    began = time.process_time()
    scores = score(table(frame, x + random.normal(0, 10, n), y + random.normal(0, 10, n)), table(frame, x, y))
    assert time.process_time() - began < 20
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
