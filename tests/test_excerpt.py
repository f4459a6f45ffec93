"""The rows around a frame of a table too large to be shown whole."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from blinkspot.localization.excerpt import rows_around
from blinkspot.progress import Progress, finish


@given(
    st.lists(st.integers(0, 30), max_size=200),
    st.integers(0, 40),
    st.integers(1, 80),
)
@settings(max_examples=100, deadline=None)
def test_rows_around_a_frame_are_all_of_a_stretch_that_fits(frames, around, most):
    frames = np.array(frames, np.int64)
    found = finish(rows_around(frames, around, most))
    if len(frames) > most:
        check_excerpt(found, frames, around, most)
        return
    assert found.is_whole
    np.testing.assert_array_equal(found.rows, np.arange(len(frames)))


def check_excerpt(found, frames, around, most):
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


def test_long_tables_are_counted_part_by_part_with_progress():
    frames = np.random.default_rng(0).integers(0, 1000, 2_000_000)
    values: list[Progress] = []
    found = finish(rows_around(frames, 500, 10_000), values.append)
    assert len(values) > 5
    check_excerpt(found, frames, 500, 10_000)
