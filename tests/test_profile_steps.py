"""Where the line of a profile is laid first."""

import numpy as np
import pytest

from blinkspot.line_profile import Line
from blinkspot.plugin.comparing.profile_steps import line_across_brightest
from blinkspot.stack import Stack

ALL = np.array([[0.0, 0.0], [29.0, 39.0]])


def movie_with(values, shape=(30, 40)):
    frame = np.full(shape, 100, np.uint16)
    for place, value in values.items():
        frame[place] = value
    return Stack(np.stack([np.zeros_like(frame), frame]))


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ({(12, 20): 500}, (12, 20)),
        # At the border there is no room for the line: the next brightest is taken.
        ({(12, 39): 900, (3, 30): 500}, (3, 30)),
        ({(12, 2): 900, (0, 6): 500}, (0, 6)),
        ({(29, 33): 700, (29, 34): 800}, (29, 33)),
    ],
)
def test_the_line_lies_within_the_picture(values, middle):
    y, x = middle
    assert line_across_brightest(movie_with(values), 1, ALL) == Line((y, x - 6.0), (y, x + 6.0))


def test_the_line_lies_within_the_part_that_is_in_view():
    movie = movie_with({(5, 20): 900, (20, 16): 800, (20, 20): 500})
    assert line_across_brightest(movie, 1, np.array([[10.0, 11.0], [29.0, 39.0]])) == Line(
        (20.0, 14.0), (20.0, 26.0)
    )


def test_a_view_too_narrow_for_the_line_is_searched_all_the_same():
    movie = movie_with({(20, 16): 800, (20, 30): 900})
    assert line_across_brightest(movie, 1, np.array([[10.0, 14.0], [29.0, 18.0]])) == Line(
        (20.0, 10.0), (20.0, 22.0)
    )
