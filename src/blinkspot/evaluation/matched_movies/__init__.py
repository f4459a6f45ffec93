"""Simulated movies that match a denoised one: what its own model does to them is measured with the truth."""

from blinkspot.evaluation.matched_movies.frames import MatchedFrames, placed, standing_alone
from blinkspot.evaluation.matched_movies.molecules import far_from, numbered, pairs_of
from blinkspot.evaluation.matched_movies.parts import (
    PIXELS_AT_ONCE,
    MovieParts,
    first_frames,
    frames_together,
)

__all__ = [
    "PIXELS_AT_ONCE",
    "MatchedFrames",
    "MovieParts",
    "far_from",
    "first_frames",
    "frames_together",
    "numbered",
    "pairs_of",
    "placed",
    "standing_alone",
]
