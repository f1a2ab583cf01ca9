"""Compute the layers of the built-in encoder, `slic/two-stream`, from drawn videos.

    python benchmarks/two_stream_layers.py --data tasks

They are the mean appearance descriptor, and mean and principal components of the motion descriptor.
No label is used. The videos are a third draw of *easy*, *hard*, *panning* and *parallax*:
neither the draw that settings are chosen on nor the one of the tables. Nothing is computed from
*foreign* or from real videos.
"""

import argparse
import sys
from importlib.resources import files
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save
from sklearn.decomposition import PCA
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent))  # where the package `learning` is

from learning.tasks import open_task
from slic.clips.clip_dataset import ClipDataset
from slic.clips.reader import ClipReader
from slic.files import write_atomically
from slic.models.backbones.appearance_descriptor import APPEARANCE_SIZE, appearance_descriptor
from slic.models.backbones.motion_descriptor import describe_courses, motion_courses
from slic.models.backbones.two_stream import MOTION_SIZE, WEIGHTS_FILE, TwoStreams
from slic.models.encoder import to_input
from slic.videos.catalog import Catalog

TASKS = ("easy", "hard", "panning", "parallax")  # in *static* only noise moves
VIDEOS, CLIPS = 160, 3  # of each task; of each video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("tasks"), help="folder of the videos")
    arguments = parser.parse_args()
    appearance, motion = [], []
    for name in TASKS:
        task = open_task(name, "fitting", data=arguments.data, train=VIDEOS, test=10)
        described = descriptors(task.split.train)
        appearance.append(described[0])
        motion.append(described[1])
        print(f"{name}: {len(described[0])} clips", flush=True)
    layers = layers_of(torch.cat(appearance), torch.cat(motion))
    target = Path(str(files("slic.models.backbones") / WEIGHTS_FILE))
    write_atomically(target, save({name: x.half().contiguous() for name, x in layers.items()}))
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def descriptors(videos: Catalog) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n e"]]:
    """Return the appearance and the motion descriptors of clips of all videos."""
    reader = ClipReader.of_clip(TwoStreams.native_clip())
    batches = map(
        to_input, map(ClipDataset(videos, reader, clips=CLIPS).__getitem__, range(len(videos)))
    )
    pairs = [
        (appearance_descriptor(x), describe_courses(motion_courses(x)).descriptor) for x in batches
    ]
    appearance, motion = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return appearance, motion


def layers_of(appearance: Float[Tensor, "n d"], motion: Float[Tensor, "n e"]) -> dict[str, Tensor]:
    """Return the state dict of `TwoStreams`."""
    pca = PCA(MOTION_SIZE - 1, svd_solver="randomized", random_state=0).fit(motion.numpy())
    components, mean = (torch.from_numpy(x).float() for x in (pca.components_, pca.mean_))
    share = pca.explained_variance_ratio_.sum()
    print(f"{MOTION_SIZE - 1} components have {share:.2f} of the variance of motion")
    return {
        "appearance.weight": torch.eye(APPEARANCE_SIZE),
        "appearance.bias": -appearance.mean(dim=0),
        "motion.weight": components,
        "motion.bias": -components @ mean,
    }


if __name__ == "__main__":
    main()
