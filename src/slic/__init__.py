"""Learn from unlabelled videos of human actions, then search, group and classify them.

Each public name is imported when it is first used.

Example:
    >>> catalog = slic.Catalog.from_folder("videos")
    >>> slic.pretrain(catalog, out="run", recipe=slic.load_recipe("two-stream"))
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slic.embeddings import Embeddings, embed
    from slic.errors import SlicError
    from slic.evaluation.retrieval import evaluate
    from slic.models.encoder import VideoEncoder
    from slic.models.official import load_official
    from slic.pretraining import pretrain
    from slic.recipe import Recipe, load_recipe
    from slic.sample import write_sample
    from slic.videos.catalog import Catalog, Video
    from slic.videos.frames import read_frames

__version__ = version("slic-video")

# ``import slic`` and ``slic --help`` do not wait for torch: see ``__getattr__``.
_MODULE_OF = {
    "Catalog": "slic.videos.catalog",
    "Embeddings": "slic.embeddings",
    "Recipe": "slic.recipe",
    "SlicError": "slic.errors",
    "Video": "slic.videos.catalog",
    "VideoEncoder": "slic.models.encoder",
    "embed": "slic.embeddings",
    "evaluate": "slic.evaluation.retrieval",
    "load_official": "slic.models.official",
    "load_recipe": "slic.recipe",
    "pretrain": "slic.pretraining",
    "read_frames": "slic.videos.frames",
    "write_sample": "slic.sample",
}

__all__ = [
    "Catalog",
    "Embeddings",
    "Recipe",
    "SlicError",
    "Video",
    "VideoEncoder",
    "embed",
    "evaluate",
    "load_official",
    "load_recipe",
    "pretrain",
    "read_frames",
    "write_sample",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'slic' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
