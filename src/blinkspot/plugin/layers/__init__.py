"""Napari's layers: which are movies, what they show, what they were made from."""
