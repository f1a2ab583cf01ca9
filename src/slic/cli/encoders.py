"""``slic embed`` and ``slic import-official``: use an encoder, or import one."""

import sys
from argparse import BooleanOptionalAction, Namespace
from pathlib import Path

from slic.cli.common import (
    Verbs,
    at_least,
    cache_argument,
    encoder_argument,
    feature_cache,
    load_encoder,
    open_catalog,
    print_next_command,
    print_refused,
    videos_argument,
)


def add_verbs(verbs: Verbs) -> None:
    """Add ``embed`` and ``import-official``."""
    verb = verbs.add_parser("embed", help="write the embeddings of videos")
    verb.set_defaults(verb=embed)
    videos_argument(verb)
    encoder_argument(verb)
    verb.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    verb.add_argument("--clips", type=at_least(1), default=10, help="clips per video (default: 10)")
    verb.add_argument("--layer", choices=("head", "backbone"), default="head")
    verb.add_argument("--modality", choices=("rgb", "flow"), default="rgb")
    cache_argument(verb)

    verb = verbs.add_parser(
        "import-official",
        help="turn a checkpoint of SLIC's authors or of 3D-ResNets-PyTorch into an encoder",
    )
    verb.set_defaults(verb=import_official)
    verb.add_argument("file", type=Path, help="the .pth or .pth.tar file")
    verb.add_argument("out", type=Path, help="the folder of the encoder to write")
    verb.add_argument(
        "--trained-on",
        choices=("ucf101", "kinetics400"),
        required=True,
        help="the data set whose pixel normalisation the network was trained with",
    )
    verb.add_argument(
        "--max-pool",
        action=BooleanOptionalAction,
        help="whether a max-pool follows the stem (default: no for SLIC, yes for "
        "3D-ResNets-PyTorch)",
    )
    verb.add_argument(
        "--frames", type=at_least(2), default=16, help="frames of a clip (default: 16)"
    )
    verb.add_argument(
        "--stride", type=at_least(1), default=1, help="distance between frames (default: 1)"
    )
    verb.add_argument(
        "--size",
        type=at_least(16),
        help="height and width of a clip, in pixels (default: 128; 3D-ResNets-PyTorch: 112)",
    )


def embed(arguments: Namespace) -> None:
    """Write the embeddings of a collection."""
    from slic.embeddings import embed as run

    encoder = load_encoder(arguments.encoder)
    catalog = open_catalog(arguments.videos, arguments.workers)
    print_refused(catalog.refused, file=sys.stderr)
    with feature_cache(arguments.cache, arguments.out) as cache:
        embeddings = run(
            encoder,
            catalog,
            clips=arguments.clips,
            layer=arguments.layer,
            modality=arguments.modality,
            workers=arguments.workers,
            cache=cache,
        )
        embeddings.save(arguments.out)
    n, clips, d = embeddings.clips.shape
    print(
        f"{arguments.out}: {n} videos x {clips} clips x {d} numbers, encoder {embeddings.encoder}"
    )


def import_official(arguments: Namespace) -> None:
    """Write an encoder with the weights of a checkpoint from elsewhere."""
    from slic.models.official import load_official

    options = ("trained_on", "max_pool", "frames", "stride", "size")
    encoder, left_out = load_official(
        arguments.file, **{name: getattr(arguments, name) for name in options}
    )
    encoder.save_pretrained(arguments.out)
    clip, settings = encoder.clip, encoder.config.arguments
    weights = len(encoder.state_dict())
    print(
        f"{arguments.out}: R3D-{settings['depth']}, width {settings['width']:g}, clips of "
        f"{clip.frames} x {clip.size} x {clip.size} pixels; all {weights} weights of the "
        "file are in it" + (f" but the classifier ({', '.join(left_out)})." if left_out else ".")
    )
    head = encoder.config.head
    print(
        f"head: {head.hidden} hidden, {head.embedding} out."
        if encoder.has_head
        else "head: none in the file; embeddings are backbone features."
    )
    print_next_command("index", "VIDEOS", "--encoder", arguments.out, "--out", "index")
