"""Many movies by one recipe: what is done is skipped, what fails stops nothing else."""

from blinkspot.batch.figures import Figures
from blinkspot.batch.recipe import Recipe, read_recipe
from blinkspot.batch.running import BatchProgress, run_batch
from blinkspot.batch.summary import Row, Summary

__all__ = ["BatchProgress", "Figures", "Recipe", "Row", "Summary", "read_recipe", "run_batch"]
