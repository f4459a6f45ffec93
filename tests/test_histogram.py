"""The histogram of a column, the rows around a frame, and steps that are taken back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable
from blinkspot.localization.excerpt import rows_around
from blinkspot.localization.histogram import BINS, histogram, known_columns
from blinkspot.localization.processing import Filter, Merge, process
from blinkspot.localization.processing.description import described_steps
from blinkspot.localization.processing.drift import Drift, LoadedDrift, write_drift
from blinkspot.localization.processing.undo import StepHistory
from blinkspot.progress import Progress, finish


def table(**columns):
    n = len(next(iter(columns.values())))
    zeros = {name: np.zeros(n) for name in ("frame", "x_nm", "y_nm")}
    return LocalizationTable.from_columns({**zeros, **columns})


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(st.one_of(numbers, st.just(np.nan)), min_size=1, max_size=300))
@settings(max_examples=60, deadline=None)
def test_every_known_value_is_counted_once(values):
    values = np.array(values)
    if np.isnan(values).all():
        with pytest.raises(BlinkspotError, match="no values of photons"):
            finish(histogram(table(photons=values), "photons"))
        return
    found = finish(histogram(table(photons=values), "photons"))
    known = values[np.isfinite(values)]
    assert found.counts.sum() + found.outside == len(known)
    assert len(found.counts) <= BINS
    widths = np.diff(found.edges)
    np.testing.assert_allclose(widths, widths[0], rtol=1e-6, atol=1e-9 * np.abs(found.edges).max())
    inside = (known >= found.edges[0]) & (known <= found.edges[-1])
    assert found.counts.sum() == inside.sum()


def test_counts_are_numpy_s():
    values = np.random.default_rng(1).normal(100.0, 15.0, 200_000)
    values[::7] = np.nan
    found = finish(histogram(table(sigma_nm=values), "sigma_nm"))
    expected, edges = np.histogram(values[np.isfinite(values)], BINS)
    np.testing.assert_array_equal(found.counts, expected)
    np.testing.assert_allclose(found.edges, edges)
    assert found.outside == 0


def test_a_long_tail_lies_outside():
    values = np.concatenate([np.linspace(0.0, 10.0, 100_000), [1e6]])
    found = finish(histogram(table(photons=values), "photons"))
    assert found.ends[1] < 10.1
    assert found.outside == (values > found.ends[1]).sum() + (values < found.ends[0]).sum()


@pytest.mark.parametrize("last", [0, 5, 99, 100, 12_345])
def test_whole_numbers_have_whole_bins(last):
    frame = np.arange(last + 1)
    found = finish(histogram(table(frame=frame), "frame"))
    assert found.counts.sum() == last + 1
    widths = np.diff(found.edges)
    assert (widths == widths[0]).all()
    assert widths[0] == round(widths[0]) >= 1
    assert found.edges[0] == -0.5
    # All full bins are alike: none has a number more than another by where its edges lie.
    assert set(found.counts[:-1]) <= {int(widths[0])}


def test_a_column_of_one_value_is_one_peak():
    found = finish(histogram(table(photons=np.full(9, 250.0)), "photons"))
    assert found.counts.max() == 9
    assert found.ends[0] < 250.0 < found.ends[1]


@given(numbers, numbers)
@settings(max_examples=60, deadline=None)
def test_a_range_is_the_filter_that_it_shows(one, other):
    values = np.random.default_rng(3).uniform(-1e6, 1e6, 400)
    molecules = table(z_nm=values)
    found = finish(histogram(molecules, "z_nm"))
    low, high = sorted((one, other))
    condition = found.condition(low, high)
    step = (found.ends[1] - found.ends[0]) / 500
    kept = values if not condition else finish(Filter(condition).apply(molecules)).column("z_nm")
    surely = values[(values >= low + step) & (values <= high - step)]
    perhaps = values[(values >= low - step) & (values <= high + step)]
    assert set(surely) <= set(kept) <= set(perhaps)


def test_a_range_is_open_at_the_ends_of_the_histogram():
    found = finish(histogram(table(photons=np.linspace(0.0, 1000.0, 300)), "photons"))
    first, last = found.ends
    assert found.condition(first, last) == ""
    assert found.condition(250.0, last) == "photons >= 250"
    assert found.condition(first - 5.0, 250.4) == "photons <= 250"
    assert found.condition(100.0, 250.0) == "100 <= photons <= 250"
    small = finish(histogram(table(p_value=np.linspace(0.0, 1.0, 300)), "p_value"))
    assert small.condition(0.05, 2.0) == "p_value >= 0.050"
    frames = finish(histogram(table(frame=np.arange(50)), "frame"))
    assert frames.condition(9.2, 20.7) == "10 <= frame <= 20"


def test_columns_without_values_are_not_known():
    molecules = table(photons=np.array([np.nan, 3.0]), sigma_nm=np.full(2, np.nan))
    assert known_columns(molecules) == ("frame", "x_nm", "y_nm", "photons")
    with pytest.raises(BlinkspotError, match="no values of depth"):
        finish(histogram(molecules, "depth"))


@given(
    st.lists(st.integers(0, 30), max_size=200),
    st.integers(0, 40),
    st.integers(1, 80),
)
@settings(max_examples=100, deadline=None)
def test_rows_around_a_frame_are_all_of_a_stretch_that_fits(frames, around, most):
    frames = np.array(frames, np.int64)
    found = finish(rows_around(frames, around, most))
    if len(frames) <= most:
        assert found.is_whole
        np.testing.assert_array_equal(found.rows, np.arange(len(frames)))
        return
    assert not found.is_whole
    middle = min(around, frames.max())
    assert found.first_frame <= middle <= found.last_frame
    inside = np.flatnonzero((frames >= found.first_frame) & (frames <= found.last_frame))
    if len(inside) <= most:
        assert set(inside) <= set(found.rows)
        # One frame more on either side would be too many, unless the movie ends there.
        wider = (frames >= found.first_frame - 1) & (frames <= found.last_frame + 1)
        assert wider.sum() > most
    else:
        assert found.first_frame == found.last_frame
        assert len(set(found.rows) & set(inside)) >= most
    assert len(found.rows) <= most + 2
    assert {frames.min(), frames.max()} <= set(frames[found.rows])
    assert (np.diff(found.rows) > 0).all()


def test_long_tables_are_counted_with_progress():
    frames = np.sort(np.random.default_rng(0).integers(0, 1000, 2_000_000))
    values: list[Progress] = []
    found = finish(rows_around(frames, 500, 10_000), values.append)
    assert len(values) > 5
    np.testing.assert_array_equal(
        found.rows[1:-1],
        np.flatnonzero((frames >= found.first_frame) & (frames <= found.last_frame)),
    )


def test_a_step_taken_back_gives_the_very_table_before(tmp_path):
    random = np.random.default_rng(2)
    source = LocalizationTable.from_columns(
        {"frame": np.arange(50) % 10, **{name: random.uniform(0, 900, 50) for name in ("x_nm", "y_nm")}}
    )
    drift = Drift(np.linspace(0.0, 90.0, 10), np.zeros(10))
    write_drift(drift, tmp_path / "drift.csv")
    source = finish(process(source, [Filter("x_nm < 800")]))
    history = StepHistory(source)
    assert (history.n_steps, history.n_before, history.drift) == (0, 1, None)
    corrected = finish(LoadedDrift(str(tmp_path / "drift.csv")).apply(source))
    merged = finish(Merge(100.0).apply(corrected))
    history.add([corrected, merged])
    assert history.table is merged
    assert history.source is source
    np.testing.assert_allclose(history.drift.x_nm, drift.x_nm)
    assert [line.split(":")[0] for line in history.descriptions] == [
        "filter x_nm < 800",
        "drift",
        "merge within 100 nm, 1 dark frame",
    ]
    history.undo()
    assert history.table is corrected
    history.undo()
    assert history.table is source
    history.undo()
    assert history.table is source
    history.add([corrected, merged])
    history.clear()
    assert history.table is source
    assert history.descriptions == described_steps(source)


def test_steps_are_described_in_words():
    record = [
        {
            "step": "filter",
            "settings": {"expression": "photons > 200"},
            "rows_before": 5678,
            "rows_after": 1234,
        },
        {"step": "drift", "settings": {"method": "rcc"}, "segment_frames": 50.0, "warnings": ["Look."]},
        {"step": "fiducials", "settings": {}, "fiducials": [{}, {}]},
        {"step": "loaded_drift", "settings": {"path": "d.csv"}},
        {"step": "duplicates", "settings": {"distance_nm": None}, "rows_before": 3, "rows_after": 3},
        {"step": "duplicates", "settings": {"distance_nm": 30.0}, "rows_before": 3, "rows_after": 2},
        {"step": "merge", "settings": {"radius_nm": 20.0, "dark_frames": 1, "longest_frames": 0}},
        {"step": "density", "settings": {"radius_nm": 50.0, "neighbours": 5, "dimensions": 2}},
        {"step": "rectangle", "settings": {"x_from_nm": 5.5, "y_to_nm": None, "keep": "inside"}},
        "damaged",
        {"step": "of tomorrow"},
    ]
    molecules = LocalizationTable.from_columns({}, provenance={"processing": record})
    assert described_steps(molecules) == [
        "filter photons > 200: 1,234 of 5,678 stay",
        "drift: redundant cross-correlation, segments of 50 frames",
        "drift: 2 fiducials",
        "drift: from the file d.csv",
        "duplicates",
        "duplicates closer than 30 nm: 2 of 3 stay",
        "merge within 20 nm, 1 dark frame",
        "density of 5 others within 50 nm",
        "rectangle: x_from_nm 5.5, keep inside",
        "of tomorrow",
    ]
    assert described_steps(molecules.with_provenance({"processing": "damaged"})) == []
