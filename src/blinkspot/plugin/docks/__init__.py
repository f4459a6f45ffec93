"""What several docks have in common: their frame, and the choice of movies and models."""
