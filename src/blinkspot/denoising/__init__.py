"""From noisy frames to posterior means: noise model, networks, training, prediction."""
