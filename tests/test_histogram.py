"""The histogram of a column, and the filter that a range in it means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.errors import BlinkspotError
from blinkspot.localization import LocalizationTable
from blinkspot.localization.histogram import BINS, histogram, known_columns
from blinkspot.localization.processing import Filter
from blinkspot.progress import finish


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
