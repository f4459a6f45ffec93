"""Crowded spots: several emitters fitted at once, where one does not explain a spot."""
