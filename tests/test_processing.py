"""Each step after the fits against a slow, plain reference; the record and its repetition."""

import copy
import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable, read_table
from blinkspot.localization.duplicates import without_duplicates
from blinkspot.localization.processing import (
    STEPS,
    DensityFilter,
    DuplicateRemoval,
    Filter,
    Merge,
    NumberMolecules,
    Polygon,
    Rectangle,
    process,
    recorded_steps,
)
from blinkspot.localization.processing.correlation import MOST_CORRELATED_FRAMES, correlated_frames
from blinkspot.paced import in_parts
from blinkspot.progress import Progress, Stopwatch, finish


def random_table(seed, n, *, frames=6, side_nm=150.0, grid_nm=None, **more):
    """Crowded: links compete. On a grid there are ties of positions and distances."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, side_nm, (2, n))
    if grid_nm is not None:
        position = np.round(position / grid_nm) * grid_nm
    columns = {
        "frame": rng.integers(0, frames, n),
        "x_nm": position[0],
        "y_nm": position[1],
        "sigma_nm": rng.uniform(80, 150, n),
        "photons": rng.uniform(50, 500, n),
        "background_photons": rng.uniform(1, 9, n),
        "background_std_photons": rng.uniform(1, 3, n),
        "uncertainty_nm": rng.uniform(5, 20, n),
        "detection_strength": rng.uniform(1, 9, n),
    }
    return LocalizationTable.from_columns({**columns, **more}, provenance={"step": "localize", "seed": seed})


def shuffled(table, seed=0):
    rows = np.random.default_rng(seed).permutation(len(table))
    return LocalizationTable(table.data.iloc[rows].reset_index(drop=True), provenance=table.provenance)


def same_rows(table, data):
    np.testing.assert_array_equal(table.data.to_numpy(), data.to_numpy())


# -- regions, duplicates, density


@given(st.integers(0, 99), st.sampled_from(["inside", "outside"]))
@settings(max_examples=20, deadline=None)
def test_rectangle_keeps_one_side(seed, keep):
    table = random_table(seed, 50, grid_nm=10)
    data = table.data
    inside = data.x_nm.between(20, 80, inclusive="left") & data.y_nm.between(30, 110, inclusive="left")
    kept = finish(Rectangle(20.0, 80.0, 30.0, 110.0, keep).apply(table))
    same_rows(kept, data[inside if keep == "inside" else ~inside])
    same_rows(finish(Rectangle(y_from_nm=70).apply(table)), data[data.y_nm >= 70])


def crossings(x, y, vertices):
    """Even-odd rule, one ray to the right."""
    inside = False
    for (xa, ya), (xb, yb) in zip(vertices, [*vertices[1:], vertices[0]], strict=True):
        if (ya > y) != (yb > y) and x < xa + (y - ya) * (xb - xa) / (yb - ya):
            inside = not inside
    return inside


@given(st.integers(0, 10**6), st.integers(3, 9), st.sampled_from(["inside", "outside"]))
@settings(max_examples=40, deadline=None)
def test_polygon_keeps_one_side_whatever_its_shape(seed, corners, keep):
    table = random_table(seed, 60)
    vertices = [tuple(vertex) for vertex in np.random.default_rng(seed + 1).uniform(0, 150, (corners, 2))]
    expected = [
        crossings(x, y, vertices) == (keep == "inside")
        for x, y in zip(table.data.x_nm, table.data.y_nm, strict=True)
    ]
    same_rows(finish(Polygon(tuple(vertices), keep).apply(table)), table.data[expected])


@pytest.mark.parametrize("distance_nm", [None, 12.0, 40.0])
@pytest.mark.parametrize("grid_nm", [None, 5.0])
def test_duplicates_leave_the_surest(distance_nm, grid_nm):
    table = random_table(3, 300, frames=4, grid_nm=grid_nm)
    kept = finish(DuplicateRemoval(distance_nm).apply(shuffled(table)))
    expected = []
    for _, rows in table.data.groupby("frame"):
        chosen = []
        for row in rows.sort_values("uncertainty_nm").itertuples():
            limit = row.uncertainty_nm if distance_nm is None else distance_nm
            if all(math.hypot(row.x_nm - o.x_nm, row.y_nm - o.y_nm) >= limit for o in chosen):
                chosen.append(row)
        expected += [tuple(row)[1:] for row in chosen]
    assert sorted(map(tuple, kept.data.to_numpy())) == sorted(expected)
    assert len(kept) < len(table)


def test_what_is_no_uncertainty_is_not_the_surest():
    table = LocalizationTable.from_columns(
        {"frame": [0, 0], "x_nm": [0.0, 5.0], "y_nm": [0.0, 0.0], "uncertainty_nm": [-5.0, 20.0]}
    )
    kept = finish(DuplicateRemoval(50.0).apply(table))
    assert kept.column("uncertainty_nm").tolist() == [20.0]


def test_duplicates_by_distance_are_the_localizers():
    table = random_table(4, 200, frames=1)
    positions = table.data[["x_nm", "y_nm"]].to_numpy()
    expected = without_duplicates(positions, -table.column("uncertainty_nm"), 15.0)
    same_rows(finish(DuplicateRemoval(15.0).apply(table)), table.data.iloc[expected])


def test_of_two_alike_one_is_left():
    table = LocalizationTable.from_columns(
        {"frame": [0, 0, 1], "x_nm": [1.0] * 3, "y_nm": [1.0] * 3, "uncertainty_nm": [5.0] * 3}
    )
    assert list(finish(DuplicateRemoval().apply(table)).column("frame")) == [0, 1]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("grid_nm", [None, 10.0])
def test_density_counts_others_within_the_radius(dimensions, grid_nm):
    n = 300
    z = np.random.default_rng(9).uniform(-40, 40, n)
    table = random_table(5, n, side_nm=400, grid_nm=grid_nm, z_nm=z)
    positions = table.data[["x_nm", "y_nm", "z_nm"]].to_numpy()[:, :dimensions]
    # On the grid many are at exactly the radius: 30, 40, 50.
    others = (cdist(positions, positions) <= 50.0).sum(axis=1) - 1
    for neighbours in (1, 5, 9):
        kept = finish(DensityFilter(50.0, neighbours, dimensions).apply(table))
        same_rows(kept, table.data[others >= neighbours])
    assert 0 < len(kept) < n


# -- linking and merging


def linked(table, radius, dark_frames, longest=0, multiple=math.inf):
    """Return the molecules as lists of rows, by pairing the nearest first in each frame."""
    data = table.data
    molecules = []
    for frame in sorted(set(data.frame)):
        here = data[data.frame == frame].sort_values(["x_nm", "y_nm", "uncertainty_nm", "photons"]).index
        pairs = []
        for number, rows in enumerate(molecules):
            first, last = data.frame[rows[0]], data.frame[rows[-1]]
            if frame - last - 1 > dark_frames or (longest and frame - first + 1 > longest):
                continue
            weights = data.uncertainty_nm[rows] ** -2
            x, y = np.average(data.x_nm[rows], weights=weights), np.average(data.y_nm[rows], weights=weights)
            for order, row in enumerate(here):
                distance = math.hypot(data.x_nm[row] - x, data.y_nm[row] - y)
                variance = data.uncertainty_nm[row] ** 2 + 1 / weights.sum()
                if distance <= min(radius, multiple * math.sqrt(variance)):
                    pairs.append((distance, number, order, row))
        taken, used = {}, set()
        for _, number, _, row in sorted(pairs):
            if number not in used and row not in taken:
                taken[row] = number
                used.add(number)
        for row in here:
            if row in taken:
                molecules[taken[row]].append(row)
            else:
                molecules.append([row])
    return molecules


CASES = [
    {"radius_nm": 20.0, "dark_frames": 0},
    {"radius_nm": 20.0, "dark_frames": 1},
    {"radius_nm": 60.0, "dark_frames": 2},
    {"radius_nm": 30.0, "dark_frames": 10**6, "longest_frames": 3},
    {"radius_nm": 60.0, "dark_frames": 1, "radius_uncertainties": 1.5},
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_merging_is_the_plain_references(case, seed):
    table = random_table(seed, 120, frames=7, detections=np.full(120, 2.0), molecule=np.arange(120.0))
    molecules = linked(
        table,
        case["radius_nm"],
        case["dark_frames"],
        case.get("longest_frames", 0),
        case.get("radius_uncertainties", math.inf),
    )
    merged = finish(Merge(**case).apply(shuffled(table, seed))).data
    assert len(merged) == len(molecules)
    assert max(map(len, molecules)) > 2
    data = table.data
    for row, members in zip(merged.itertuples(), molecules, strict=True):
        part = data.loc[members]
        weights = part.uncertainty_nm**-2
        assert row.frame == part.frame.min()
        assert part.frame.is_unique
        assert row.x_nm == pytest.approx(np.average(part.x_nm, weights=weights))
        assert row.y_nm == pytest.approx(np.average(part.y_nm, weights=weights))
        assert row.uncertainty_nm == pytest.approx(weights.sum() ** -0.5)
        assert row.photons == pytest.approx(part.photons.sum())
        assert row.sigma_nm == pytest.approx(np.average(part.sigma_nm, weights=part.photons))
        assert row.background_photons == pytest.approx(part.background_photons.mean())
        assert row.background_std_photons == pytest.approx(np.sqrt((part.background_std_photons**2).mean()))
        assert row.detection_strength == part.detection_strength.max()
        assert row.detections == 2 * len(part)
        assert row.molecule == members[0]


@pytest.mark.parametrize("known", ["all", "no uncertainties", "no photons"])
def test_merging_in_two_goes_is_merging_in_one(known):
    rng = np.random.default_rng(5)
    lacking = {"no uncertainties": "uncertainty_nm", "no photons": "photons"}.get(known)
    n = 7
    columns = {
        "frame": [0, 1, 2, 3, 4, 20, 40],
        **{name: rng.uniform(0, 5, n) for name in ("x_nm", "y_nm", "z_nm")},
        **{name: rng.uniform(1, 9, n) for name in ("photons", "background_photons", "sigma_nm", "deviance")},
        **{name: rng.uniform(1, 9, n) for name in ("background_std_photons", "uncertainty_nm")},
    }
    if lacking:
        columns[lacking] = np.full(n, np.nan)
    table = LocalizationTable.from_columns(columns)
    at_once = finish(Merge(100.0, dark_frames=30).apply(table))
    twice = finish(Merge(100.0, dark_frames=30).apply(finish(Merge(100.0, dark_frames=0).apply(table))))
    assert len(at_once) == len(twice) == 1
    pd.testing.assert_frame_equal(twice.data, at_once.data, rtol=1e-9)
    assert at_once.column("detections").tolist() == [7]
    np.testing.assert_allclose(
        twice.column("background_photons"), np.mean(columns["background_photons"]), rtol=1e-9
    )


def test_a_merged_row_without_uncertainty_weighs_as_its_localizations():
    # Of one localization 6 nm and of four 3 nm: both say that one has 6 nm, and four of them 3 nm.
    table = LocalizationTable.from_columns(
        {
            "frame": [0, 1, 2],
            "x_nm": [0.0, 0.0, 30.0],
            "y_nm": [0.0, 0.0, 0.0],
            "uncertainty_nm": [6.0, 3.0, np.nan],
            "detections": [1, 4, 4],
        }
    )
    merged = finish(Merge(100.0).apply(table))
    assert merged.column("x_nm") == pytest.approx(30.0 * 4 / 9)
    assert merged.column("detections") == 9


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_numbers_and_rows_do_not_depend_on_the_order(seed):
    table = random_table(seed, 80, grid_nm=10.0)
    table = LocalizationTable(table.data.drop_duplicates(["frame", "x_nm", "y_nm"]).reset_index(drop=True))
    step = NumberMolecules(radius_nm=25.0, dark_frames=1)
    numbered, other = finish(step.apply(table)), finish(step.apply(shuffled(table, seed)))
    key = ["frame", "x_nm", "y_nm"]
    first, second = (each.data.sort_values(key) for each in (numbered, other))
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())
    same_rows(numbered, table.data.assign(molecule=numbered.column("molecule")))
    merged = finish(Merge(radius_nm=25.0, dark_frames=1).apply(table))
    counts = numbered.data.groupby("molecule").size()
    assert list(counts.index) == list(range(1, len(merged) + 1))
    np.testing.assert_array_equal(merged.column("detections"), counts)


def test_ties_are_broken_alike_whatever_the_order():
    # Two molecules at equal distance from one localization, and the reverse.
    table = LocalizationTable.from_columns(
        {
            "frame": [0, 0, 1, 2, 2],
            "x_nm": [0.0, 10.0, 5.0, 0.0, 10.0],
            "y_nm": [0.0] * 5,
            "uncertainty_nm": [5.0] * 5,
        }
    )
    step = Merge(radius_nm=6.0, dark_frames=0)
    results = {
        tuple(
            map(
                tuple,
                finish(step.apply(LocalizationTable(table.data.iloc[list(order)]))).data.to_numpy()[:, :3],
            )
        )
        for order in itertools.permutations(range(5))
    }
    assert len(results) == 1


def test_axes_are_weighted_by_their_own_uncertainty():
    table = LocalizationTable.from_columns(
        {
            "frame": [0, 1],
            "x_nm": [0.0, 4.0],
            "y_nm": [0.0, 4.0],
            "z_nm": [0.0, 4.0],
            "uncertainty_nm": [1.0, 1.0],
            "uncertainty_x_nm": [1.0, math.sqrt(3)],
            "uncertainty_y_nm": [math.sqrt(3), 1.0],
            "uncertainty_z_nm": [2.0, 2.0],
            "p_value": [0.5, 0.5],
        }
    )
    row = finish(Merge().apply(table)).data.iloc[0]
    assert (row.x_nm, row.y_nm, row.z_nm) == pytest.approx((1.0, 3.0, 2.0))
    assert row.uncertainty_x_nm == pytest.approx(math.sqrt(0.75))
    assert row.uncertainty_nm == pytest.approx(math.sqrt(0.75))  # the root mean square of both axes
    assert row.uncertainty_z_nm == pytest.approx(math.sqrt(2))
    assert np.isnan(row.p_value)


def test_an_axis_whose_uncertainty_is_not_known_is_weighted_by_that_of_both():
    columns = {"frame": [0, 1], "x_nm": [0.0, 4.0], "y_nm": [0.0, 4.0], "uncertainty_nm": [1.0, math.sqrt(3)]}
    table = LocalizationTable.from_columns({**columns, "uncertainty_x_nm": [np.nan, np.nan]})
    assert finish(Merge().apply(table)).column("x_nm")[0] == pytest.approx(1.0)


def test_what_is_not_known_stays_unknown():
    table = LocalizationTable.from_columns({"frame": [0, 1, 5], "x_nm": [0.0, 2.0, 9.0], "y_nm": [0.0] * 3})
    merged = finish(Merge().apply(table))
    np.testing.assert_allclose(merged.column("x_nm"), [1.0, 9.0])
    assert np.isnan(merged.column("uncertainty_nm")).all()
    assert np.isnan(merged.column("photons")).all()
    partly = LocalizationTable(table.data.assign(uncertainty_nm=[3.0, np.nan, 4.0]))
    np.testing.assert_array_equal(finish(Merge().apply(partly)).column("uncertainty_nm"), [np.nan, 4.0])


def error_over_reported(length, context_frames, *, shining_only, correlated):
    """Return the true error of merged positions over the reported one.

    The errors are moving averages of independent noise over 2c + 1 frames: only of the ``length`` frames in
    which the molecule shines, or of all.
    """
    n, around = 3000, 0 if shining_only else context_frames
    rng = np.random.default_rng(length)
    noise = rng.normal(0, 20.0, (2, n, length + 2 * around))
    frames = np.arange(-around, length + around)
    window = np.abs(np.arange(length)[:, None] - frames) <= context_frames
    weights = window / window.sum(axis=1, keepdims=True)
    errors = noise @ weights.T
    uncertainty = 20.0 * np.sqrt((weights**2).sum(axis=1))
    found = rng.uniform(size=(n, length)) < 0.9  # some are missed
    found[:, [0, -1]] = True
    number, frame = np.nonzero(found)
    table = LocalizationTable.from_columns(
        {
            "frame": frame,
            "x_nm": 1000.0 * (number % 50) + errors[0][found],
            "y_nm": 1000.0 * (number // 50) + errors[1][found],
            "uncertainty_nm": uncertainty[frame],
        }
    )
    merged = finish(Merge(200.0, dark_frames=length, correlated_frames=correlated).apply(table))
    assert len(merged) == n
    off = merged.data[["x_nm", "y_nm"]].to_numpy()
    off -= 1000.0 * np.round(off / 1000.0)
    return np.sqrt((off**2).mean() / (merged.column("uncertainty_nm") ** 2).mean())


@pytest.mark.parametrize("context_frames", [1, 2])
@pytest.mark.parametrize("length", [2, 3, 6, 20])
def test_merged_uncertainty_is_true_where_neighbours_share_photons(context_frames, length):
    ratio = error_over_reported(length, context_frames, shining_only=True, correlated=2 * context_frames)
    assert ratio == pytest.approx(1.0, abs=0.03)
    assert error_over_reported(length, context_frames, shining_only=True, correlated=0) > 1.2
    # Noise of the dark frames too: the formula is on the safe side, and not far off.
    assert (
        0.88
        < error_over_reported(length, context_frames, shining_only=False, correlated=2 * context_frames)
        < 1.03
    )


def test_far_from_the_ends_the_correlation_is_triangular():
    frames = np.arange(400)
    table = LocalizationTable.from_columns(
        {"frame": frames, "x_nm": 0.0 * frames, "y_nm": 0.0 * frames, "uncertainty_nm": 0.0 * frames + 3.0}
    )
    (u,) = finish(Merge(correlated_frames=4).apply(table)).column("uncertainty_nm")
    expected = 3.0 * math.sqrt(sum(max(0.0, 1 - abs(d) / 5) for d in range(-9, 10)) / 400)
    assert u == pytest.approx(expected, rel=0.01)


def test_equal_weights_of_a_window_are_the_safe_choice():
    # Noise of a weighted window of 2c + 1 frames: a long mean's variance is never above the formula's.
    rng = np.random.default_rng(0)
    for width in (3, 5):
        for _ in range(50):
            window = rng.uniform(size=width)
            correlation = np.correlate(window, window, "full") / (window**2).sum()
            assert correlation.sum() <= sum(1 - abs(d) / width for d in range(-width, width + 1)) + 1e-12


@pytest.mark.parametrize(
    ("fit_on", "model", "expected"),
    [
        ("denoised", {"context_frames": 2}, 4),
        ("denoised", {"context_frames": 0}, 0),
        ("denoised", {}, MOST_CORRELATED_FRAMES),
        ("raw", {"context_frames": 2}, 0),
    ],
)
def test_correlated_frames_are_found_in_the_provenance(fit_on, model, expected):
    denoised = {"name": "d.tif", "provenance": {"step": "denoise", "model": model}}
    record = {"step": "localize", "settings": {"fit_on": fit_on}, "denoised": denoised}
    assert correlated_frames(record) == expected
    assert correlated_frames({"settings": None}) == 0
    table = random_table(0, 40).with_provenance(record)
    merged = finish(Merge(60.0).apply(table))
    assert merged.provenance["processing"][0]["correlated_frames"] == expected
    by_hand = finish(Merge(60.0, correlated_frames=expected).apply(table))
    np.testing.assert_array_equal(merged.column("uncertainty_nm"), by_hand.column("uncertainty_nm"))


# -- the record

ALL_STEPS = [
    Filter("photons > 60 & uncertainty < 19.5"),
    Rectangle(x_to_nm=149.0),
    Polygon(((0, 0), (150, 0), (150, 150), (0, 150))),
    DuplicateRemoval(),
    NumberMolecules(30.0),
    Merge(25.0, dark_frames=2, radius_uncertainties=3.0),
    DensityFilter(60.0, 2),
]


def test_every_step_is_recorded_and_repeats_from_the_file(tmp_path):
    table = random_table(1, 400)
    before = copy.deepcopy(table.provenance)
    result = finish(process(table, ALL_STEPS))
    assert table.provenance == before
    record = result.provenance["processing"]
    assert {key: value for key, value in result.provenance.items() if key != "processing"} == before
    assert [entry["step"] for entry in record] == [step.name for step in ALL_STEPS]
    assert record[0]["settings"] == {"expression": "photons > 60 & uncertainty < 19.5"}
    assert record[0]["rows_before"] == len(table)
    assert record[-1]["rows_after"] == len(result)
    for one, other in itertools.pairwise(record):
        assert one["rows_after"] == other["rows_before"]
    assert record == json.loads(json.dumps(record))
    assert record[0]["rows_after"] < record[0]["rows_before"]
    assert record[5]["rows_after"] < record[5]["rows_before"]

    result.save(tmp_path / "result.csv")
    steps = recorded_steps(read_table(tmp_path / "result.csv"))
    assert steps == ALL_STEPS
    again = finish(process(table, steps))
    same_rows(again, result.data)
    assert again.provenance == result.provenance


def test_the_record_is_not_shared_between_tables():
    table = random_table(1, 40)
    one = finish(Rectangle(x_to_nm=100.0).apply(table))
    two = finish(Rectangle(x_to_nm=50.0).apply(one))
    assert "processing" not in table.provenance
    assert len(one.provenance["processing"]) == 1
    assert len(two.provenance["processing"]) == 2


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"step": "merge"}, "not a list"),
        (["merge"], "Step 1 .* damaged"),
        ([{"step": "fly", "settings": {}}], "'fly', which this version does not know"),
        ([{"step": "merge", "settings": {"radius": 1}}], "merge has no setting radius: it has radius_nm"),
        ([{"step": "merge", "settings": {"radius_nm": "wide"}}], "radius_nm must be a number"),
        ([{"step": "polygon", "settings": {"vertices_nm": [1, 2, 3]}}], "pairs of numbers"),
        ([{"step": "filter", "settings": {"expression": 3}}], "condition is empty"),
    ],
)
def test_a_record_that_cannot_be_repeated_gets_one_sentence(record, words):
    table = random_table(0, 3).with_provenance({"processing": record})
    with pytest.raises(BlinkspotError, match=words):
        recorded_steps(table)


# -- bad input, empty tables, progress


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Rectangle, {"x_from_nm": 5.0, "x_to_nm": 5.0}, "x_from_nm must be smaller than x_to_nm"),
        (Rectangle, {"x_from_nm": math.nan}, "x_from_nm must be a number"),
        (Rectangle, {"keep": "both"}, "inside or outside, not 'both'"),
        (Polygon, {}, "three corners or more"),
        (Polygon, {"vertices_nm": ((0, 0), (1, math.inf), (1, 1))}, "finite"),
        (DuplicateRemoval, {"distance_nm": 0.0}, "distance_nm must be a number above 0"),
        (DensityFilter, {"neighbours": 2.5}, "neighbours must be a whole number from 1"),
        (DensityFilter, {"dimensions": 4}, "dimensions must be 2 or 3"),
        (Merge, {"radius_nm": -1}, "merge: radius_nm must be a number above 0, up to 1000, not -1"),
        (Merge, {"radius_nm": True}, "radius_nm must be a number"),
        (Merge, {"dark_frames": -1}, "dark_frames must be a whole number from 0"),
        (Merge, {"correlated_frames": 1.5}, "correlated_frames must be a whole number"),
        (NumberMolecules, {"radius_uncertainties": 0}, "number: radius_uncertainties must be"),
        (Filter, {}, "condition is empty"),
    ],
)
def test_bad_settings_get_one_sentence(kind, values, words):
    with pytest.raises(BlinkspotError, match=words) as caught:
        kind(**values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (DuplicateRemoval(), "knows no uncertainties"),
        (Merge(radius_uncertainties=2.0), "needs an uncertainty_nm"),
        (DensityFilter(dimensions=3), "needs a z_nm"),
        (
            Filter("photons > 2"),
            "column photons, of which this table knows nothing; it has frame, x_nm, y_nm",
        ),
        (Filter("size > 2"), "column size"),
    ],
)
def test_a_table_that_lacks_something_gets_one_sentence(step, words):
    table = LocalizationTable.from_columns({"frame": [0, 1], "x_nm": [0.0, 2.0], "y_nm": [0.0, 0.0]})
    with pytest.raises(BlinkspotError, match=words):
        finish(step.apply(table))


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("n", [0, 1])
def test_tables_of_no_row_and_of_one(step, n):
    table = random_table(0, n, side_nm=1.0)
    result = finish(step.apply(table))
    assert len(result) in (0, n)
    assert result.provenance["processing"][0]["rows_before"] == n
    assert set(table.data) <= set(result.data)


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.name)
def test_steps_say_how_far_they_are(step):
    progress = []
    finish(step.apply(random_table(0, 3000, side_nm=3000.0)), progress.append)
    assert progress
    assert all(isinstance(each, Progress) for each in progress)
    fractions = [each.fraction for each in progress]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0


def test_every_step_is_registered_under_its_name():
    assert {type(step).name: type(step) for step in ALL_STEPS} == {
        name: kind for name, kind in STEPS.items() if kind in map(type, ALL_STEPS)
    }


@given(st.integers(0, 500), st.integers(1, 50))
def test_parts_cover_everything_once(n, at_first):
    seen = []
    finish(
        in_parts(
            lambda part: seen.extend(range(part.start, part.stop)), n, Stopwatch("", 1.0), at_first=at_first
        )
    )
    assert seen == list(range(n))
