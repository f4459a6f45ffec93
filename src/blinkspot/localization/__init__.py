"""From frames to molecules: detection, fits, tables, pictures."""
