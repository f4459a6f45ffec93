"""Long work in other threads, and what is told of it."""
