"""The compiled fit of one molecule to its pixels, and how well it explains them."""
