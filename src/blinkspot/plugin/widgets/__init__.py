"""Pieces of which the docks are built: they know Qt, and neither layers nor movies."""
