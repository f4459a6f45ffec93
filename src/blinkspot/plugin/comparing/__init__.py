"""Ways to compare a noisy movie with its denoised version in the viewer."""
