"""Where the line of a profile is laid first."""

import numpy as np
import pytest

from blinkspot.movies.line_profile import Line
from blinkspot.movies.stack import Stack
from blinkspot.plugin.comparing.profile_steps import line_across_brightest

SHAPE = (32, 40)


def movie_with(values):
    frames = np.full((2, *SHAPE), 100, np.uint16)
    for place, value in values.items():
        frames[1, *place] = value
    return Stack(frames)


@pytest.mark.parametrize(
    ("values", "corners", "middle"),
    [
        ({(12, 20): 500}, [[0, 0], [31, 39]], (12, 20)),
        # Beyond the middle half, rows 8 to 23 and columns 10 to 29, a brighter one is left alone.
        ({(7, 20): 900, (24, 20): 900, (8, 29): 500}, [[0, 0], [31, 39]], (8, 29)),
        ({(12, 9): 900, (12, 30): 900, (23, 10): 500}, [[0, 0], [31, 39]], (23, 10)),
        # Rows 16 to 31 and columns 20 to 39 are seen: the middle is rows 20 to 27, columns 25 to 34.
        ({(12, 20): 900, (19, 30): 900, (20, 34): 500}, [[16.2, 20.4], [31, 39]], (20, 34)),
        # Nothing of the frame is seen.
        ({(7, 20): 900, (12, 20): 500}, [[50, 50], [60, 60]], (12, 20)),
    ],
)
def test_the_line_lies_across_the_brightest_pixel_in_the_middle(values, corners, middle):
    y, x = middle
    line = line_across_brightest(movie_with(values), 1, np.array(corners, float))
    assert line == Line((y, x - 6.0), (y, x + 6.0))


def test_a_view_of_few_pixels_is_searched_too():
    movie = movie_with({(20, 16): 800, (20, 30): 900})
    line = line_across_brightest(movie, 1, np.array([[20.0, 16.0], [20.0, 16.0]]))
    assert line == Line((20.0, 10.0), (20.0, 22.0))
