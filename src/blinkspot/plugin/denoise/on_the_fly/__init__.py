"""Frames of a movie that are denoised when one looks at them."""
