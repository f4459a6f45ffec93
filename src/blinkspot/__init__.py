"""Blind-spot denoising and localization of single-molecule movies."""
