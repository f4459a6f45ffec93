"""The dock for what comes after the fits: tables, their steps, drift, pictures."""
