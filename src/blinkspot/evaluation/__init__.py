"""Is it better, and by how much: simulation, scores, fair comparison, report."""
