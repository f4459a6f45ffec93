"""The molecules that are left as a table, linked to the picture."""
