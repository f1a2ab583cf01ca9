"""A run that stands after its first round, so that benchmarks can drive its parts."""

from pathlib import Path

import numpy as np
from accelerate import Accelerator

from slic.clustering.base import PseudoLabels
from slic.pretraining.folder import RunFolder
from slic.pretraining.run import Run
from slic.recipe import Recipe
from slic.videos.catalog import Catalog

CLUSTERS = 12


def run_after_first_round(recipe: Recipe, catalog: Catalog, folder: Path) -> Run:
    """Return a run of the recipe, on the CPU, with made-up clusters and no bar."""
    folder.mkdir(exist_ok=True)
    run = Run(recipe, catalog, RunFolder(folder), Accelerator(cpu=True))
    run.pseudo_labels = PseudoLabels(np.arange(len(catalog)) % CLUSTERS)
    run.encoder.train()
    run.fade_mean_frame()  # a copy of the encoder then sees what the run's own does
    run.reporter.start(run.total_steps, done=0, progress=False)
    return run
