"""The drift of a movie, from its molecules or from fiducials: found, drawn, saved, taken off and given back."""
