"""Simulated movies that match a denoised one: what its own model does to them is measured with the truth."""

from blinkspot.evaluation.matched_movies.frames import MatchedFrames, placed, standing_alone
from blinkspot.evaluation.matched_movies.molecules import far_from, numbered, pairs_of
from blinkspot.evaluation.matched_movies.parts import MovieParts, first_frames

__all__ = [
    "MatchedFrames",
    "MovieParts",
    "far_from",
    "first_frames",
    "numbered",
    "pairs_of",
    "placed",
    "standing_alone",
]
