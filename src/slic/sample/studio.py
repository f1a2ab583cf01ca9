"""Everything that the studio shows, made from nothing in about a minute."""

from pathlib import Path
from typing import NamedTuple

from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.pretraining.folder import RunFolder
from slic.recipe import load_recipe
from slic.sample import write_sample
from slic.search import cluster_index, clusters_per_level, create_index, update_index
from slic.videos.catalog import Catalog

VIDEOS = 64
SETTINGS = ("--train.epochs=12", "--train.batch_size=16", "--clustering.every_epochs=6")


class Sample(NamedTuple):
    """The folders of the parts."""

    index_folder: Path
    runs: Path


def make_sample(folder: Path, *, workers: int = 2) -> Sample:
    """Draw videos, learn from them for a moment, index and cluster them.

    What was made before is kept. So short a training only hints at what a real one learns.
    """
    videos, runs, index_folder = folder / "videos", folder / "runs", folder / "index"
    write_sample(videos, train=VIDEOS, test=0)
    catalog = Catalog.from_folder(videos, workers=workers)
    run = RunFolder(runs / "sample")
    if not run.encoder.exists():
        recipe = load_recipe("best", [*SETTINGS, f"--train.workers={workers}"])
        pretrain(catalog, out=run.path, recipe=recipe, resume=run.has_run)
    index = create_index(index_folder, VideoEncoder.from_pretrained(run.encoder))
    update_index(index, catalog, workers=workers)
    if not clusters_per_level(index):
        cluster_index(index)
    index.close()
    return Sample(index_folder, runs)
