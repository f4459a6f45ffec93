"""All that is in the window: saved, and opened again."""
