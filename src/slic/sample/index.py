"""A small index of sample videos, for `slic studio --sample` and screenshots."""

from pathlib import Path
from typing import NamedTuple

from slic.models.encoder import VideoEncoder
from slic.pretraining import pretrain
from slic.pretraining.folder import RunFolder
from slic.recipe import load_recipe
from slic.sample.dataset import write_sample
from slic.search import cluster_index, clusters_per_level, create_index, update_index
from slic.videos.catalog import Catalog

INDEX_VIDEOS = 64
INDEX_TRAINING = ("--train.epochs=12", "--train.batch_size=16", "--rounds.every_epochs=6")


class SampleFolders(NamedTuple):
    """Folders that `make_sample_index` wrote.

    Attributes:
        index_folder: Folder of the index.
        runs: Folder of training runs.
    """

    index_folder: Path
    runs: Path


def make_sample_index(folder: Path, *, workers: int = 2) -> SampleFolders:
    """Write sample videos, train on them briefly, index the videos and cluster the index.

    It takes half a minute; the training is too short to show what a real one learns. Whatever
    exists from an earlier call is kept.

    Args:
        folder: Folder to write to.
        workers: Number of processes that decode.
    """
    videos, runs, index_folder = folder / "videos", folder / "runs", folder / "index"
    write_sample(videos, train=INDEX_VIDEOS, test=0)
    catalog = Catalog.from_folder(videos, workers=workers)
    run = RunFolder(runs / "sample")
    if not run.encoder.exists():
        recipe = load_recipe("two-stream", [*INDEX_TRAINING, f"--train.workers={workers}"])
        pretrain(catalog, out=run.path, recipe=recipe, resume=run.has_run)
    index = create_index(index_folder, VideoEncoder.from_pretrained(run.encoder))
    update_index(index, catalog, workers=workers)
    if not clusters_per_level(index):
        cluster_index(index)
    index.close()
    return SampleFolders(index_folder, runs)
