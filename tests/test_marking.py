"""What the preview knows of each molecule of a frame."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.localization import LocalizationTable
from blinkspot.plugin.layers.movies import TABLE
from blinkspot.plugin.localize.marking.looks import LOOKS, legend
from blinkspot.plugin.localize.marking.states import Marked, State, marked, tolerances_nm, truth_in_frame

PIXEL_NM = 100.0


def table(places_nm, frame=4):
    places_nm = np.asarray(places_nm, float).reshape(-1, 2)
    frames = np.full(len(places_nm), frame)
    return LocalizationTable.from_columns(
        {"frame": frames, "x_nm": places_nm[:, 1], "y_nm": places_nm[:, 0]},
    )


def paired_by_hand(first, second, tolerance_nm):
    """Pair the nearest two, strike them out, and so on."""
    left = {
        (i, j): float(np.hypot(*(np.subtract(a, b))))
        for i, a in enumerate(first)
        for j, b in enumerate(second)
    }
    pairs = []
    while left:
        (i, j), distance = min(left.items(), key=lambda item: item[1])
        if distance > tolerance_nm:
            break
        pairs.append((i, j))
        left = {key: value for key, value in left.items() if key[0] != i and key[1] != j}
    return {i for i, _ in pairs}, {j for _, j in pairs}


# Irregular numbers, so that no two distances are equal.
places = st.lists(st.integers(0, 400), max_size=12, unique=True).map(
    lambda numbers: [(97.31 * (n % 20) + 0.013 * n, 23.77 * (n // 20) + 0.0171 * n * n % 7) for n in numbers]
)


@settings(max_examples=40, deadline=None)
@given(places, places)
def test_molecules_are_in_both_or_in_one(noisy, denoised):
    in_noisy, in_denoised = paired_by_hand(noisy, denoised, 50.0 * np.sqrt(2.0))
    first, second = marked(table(noisy), table(denoised), None, PIXEL_NM)
    assert first.states == tuple(State.BOTH if i in in_noisy else State.ONLY_NOISY for i in range(len(noisy)))
    assert second.states == tuple(
        State.BOTH if i in in_denoised else State.ONLY_DENOISED for i in range(len(denoised))
    )
    for found, expected in ((first, noisy), (second, denoised)):
        assert found.places.shape == (len(expected), 3)
        if expected:
            np.testing.assert_allclose(found.places[:, 1:], np.array(expected) / 100.0 - 0.5, atol=1e-4)
            assert (found.places[:, 0] == 4).all()


@settings(max_examples=40, deadline=None)
@given(places, places)
def test_molecules_are_true_false_or_missed(found, truth):
    true, hit = paired_by_hand(found, truth, 50.0)
    (first, none) = marked(table(found), None, table(truth), PIXEL_NM)
    assert none is None
    missed = [place for j, place in enumerate(truth) if j not in hit]
    assert first.states[: len(found)] == tuple(
        State.TRUE if i in true else State.FALSE for i in range(len(found))
    )
    assert first.states[len(found) :] == (State.MISSED,) * len(missed)
    if missed:
        np.testing.assert_allclose(first.places[len(found) :, 1:], np.array(missed) / 100.0 - 0.5, atol=1e-4)


def test_both_movies_are_judged_by_the_truth():
    truth = table([(100, 100), (500, 500)])
    noisy, denoised = marked(table([(130, 100)]), table([(500, 560), (100, 149)]), truth, PIXEL_NM)
    assert noisy.states == (State.TRUE, State.MISSED)
    assert denoised.states == (State.FALSE, State.TRUE, State.MISSED)


def test_a_movie_alone_tells_only_what_was_found():
    alone, none = marked(table([(1, 2), (300, 400)]), None, None, PIXEL_NM)
    assert (alone.states, none) == ((State.FOUND, State.FOUND), None)


def test_the_same_share_is_within_both_tolerances():
    """For errors of any size: of one place from the truth, and of two places from one another."""
    random = np.random.default_rng(0)
    one, two = random.normal(0.0, 25.0, (2, 200_000, 2))
    within_truth_nm, within_both_nm = tolerances_nm()
    of_one = (np.hypot(*one.T) < within_truth_nm).mean()
    of_both = (np.hypot(*(one - two).T) < within_both_nm).mean()
    assert of_both == pytest.approx(of_one, abs=0.005)


def test_the_truth_of_a_frame_is_the_features_or_the_table_behind_a_layer():
    whole = LocalizationTable.from_columns(
        {"frame": [3, 4, 4, 5], "x_nm": [1.0, 2.0, 3.0, 4.0], "y_nm": [5.0, 6.0, 7.0, 8.0]}
    )
    for metadata, features in (({}, whole.features), ({TABLE: whole}, pd.DataFrame())):
        assert list(truth_in_frame(metadata, features, 4).column("x_nm")) == [2.0, 3.0]
        assert len(truth_in_frame(metadata, features, 9)) == 0


def plain(text):
    return re.sub("<[^>]*>", "", text.replace("<br>", " | ").replace("&nbsp;", ""))


def test_the_legend_counts_each_state_beside_its_marker():
    nowhere = np.empty((0, 3), np.float32)
    noisy = Marked(nowhere, (State.BOTH, State.BOTH, State.ONLY_NOISY))
    denoised = Marked(nowhere, (State.BOTH, State.BOTH))
    text = legend(7, noisy, denoised, False)
    assert plain(text) == "Frame 7: ○ 2 in both, □ 1 only noisy, ◇ 0 only denoised"
    for state in (State.BOTH, State.ONLY_NOISY, State.ONLY_DENOISED):
        assert f"color: {LOOKS[state].colour}" in text
    assert plain(legend(7, Marked(nowhere, (State.FOUND,)), None, False)) == "Frame 7: ○ 1 found"
    judged = Marked(nowhere, (State.TRUE, State.FALSE, State.MISSED, State.MISSED))
    assert (
        plain(legend(7, judged, Marked(nowhere, ()), True))
        == "Frame 7, noisy: ○ 1 true, □ 1 false, △ 2 missed | denoised: ○ 0 true, □ 0 false, △ 0 missed"
    )


@pytest.mark.parametrize(
    "shown_together",
    [
        (State.BOTH, State.ONLY_NOISY, State.ONLY_DENOISED),
        (State.TRUE, State.FALSE, State.MISSED),
    ],
)
def test_colour_blind_eyes_tell_the_markers_apart(shown_together):
    """As Machado, Oliveira and Fernandes 2009 (IEEE TVCG 15:1291) model them, in linear RGB; and by shape."""
    to_seen = {
        "protan": "0.152286 1.052583 -0.204868 0.114503 0.786281 0.099216 -0.003882 -0.048116 1.051998",
        "deutan": "0.367322 0.860646 -0.227968 0.280085 0.672501 0.047413 -0.011820 0.042940 0.968881",
        "tritan": "1.255528 -0.076749 -0.178779 -0.078411 0.930809 0.147602 0.004733 0.691367 0.303900",
    }
    from skimage.color import rgb2lab

    assert len({LOOKS[state].symbol for state in shown_together}) == 3
    colours = [
        np.array([int(LOOKS[state].colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        for state in shown_together
    ]
    colours.append(np.full(3, 0.3))  # the picture
    for kind, numbers in to_seen.items():
        matrix = np.array(numbers.split(), float).reshape(3, 3)
        seen = []
        for colour in colours:
            linear = np.clip(matrix @ colour**2.2, 0.0, 1.0)
            seen.append(rgb2lab(linear ** (1 / 2.2)))
        for i in range(4):
            for j in range(i):
                assert np.linalg.norm(seen[i] - seen[j]) > 20.0, (kind, i, j)
