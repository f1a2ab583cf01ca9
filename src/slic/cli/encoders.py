"""``slic embed`` and ``slic import-official``: use an encoder, or import one."""

from argparse import BooleanOptionalAction, Namespace
from dataclasses import asdict
from pathlib import Path

from slic.cli.common import feature_cache, load_encoder, open_catalog
from slic.cli.engines import add_engine, cost_of, opened_engine
from slic.cli.output import print_refused, print_result
from slic.cli.parser import Verbs, add_verb


def add_verbs(verbs: Verbs) -> None:
    """Add ``embed`` and ``import-official``."""
    verb = add_verb(verbs, "embed", embed, "write the embeddings of videos")
    verb.add_videos()
    verb.add_encoder()
    verb.add_argument("--out", type=Path, required=True, help="the .npz or .parquet file to write")
    verb.add_count("--clips", "clips per video", default=10)
    text = "output that is written; linear probes use the backbone's (default: head)"
    verb.add_argument("--layer", choices=("head", "backbone"), default="head", help=text)
    text = "what clips show: pictures, or optical flow drawn as pictures (default: rgb)"
    verb.add_argument("--modality", choices=("rgb", "flow"), default="rgb", help=text)
    verb.add_cache()
    add_engine(verb)
    verb.add_json()

    summary = "turn a checkpoint of SLIC's authors or of 3D-ResNets-PyTorch into an encoder"
    verb = add_verb(verbs, "import-official", import_official, summary)
    verb.add_argument("file", type=Path, help="the .pth or .pth.tar file")
    verb.add_argument("out", type=Path, help="the folder of the encoder to write")
    datasets = ("ucf101", "kinetics400")
    text = "the data set whose pixel normalisation the network was trained with"
    verb.add_argument("--trained-on", choices=datasets, required=True, help=text)
    text = "whether a max-pool follows the stem (default: no for SLIC, yes for 3D-ResNets-PyTorch)"
    verb.add_argument("--max-pool", action=BooleanOptionalAction, help=text)
    verb.add_count("--frames", "frames of a clip", minimum=2, default=16)
    verb.add_count("--stride", "distance between frames", default=1)
    text = "height and width of a clip, in pixels (default: 128; 3D-ResNets-PyTorch: 112)"
    verb.add_count("--size", text, minimum=16)
    verb.add_json()


def embed(arguments: Namespace) -> None:
    """Write the embeddings of a collection."""
    from slic.embeddings import embed as run
    from slic.embeddings.tables import is_table, write_clip_table

    encoder = load_encoder(arguments.encoder)
    names = ("clips", "layer", "modality", "workers")
    settings = {name: getattr(arguments, name) for name in names}
    out = arguments.out
    with feature_cache(arguments.cache, out) as cache, opened_engine(arguments) as engine:
        catalog = open_catalog(arguments.videos, arguments.workers, engine)
        print_refused(catalog.refused)
        embeddings = run(encoder, catalog, cache=cache, engine=engine, **settings)
        if is_table(out):
            write_clip_table(out, embeddings, catalog, encoder.clip)
        else:
            embeddings.save(out)
    n, clips, d = embeddings.clips.shape
    print_result(
        arguments,
        {
            "out": arguments.out,
            "videos": n,
            "clips": clips,
            "dimension": d,
            "encoder": embeddings.encoder,
            "refused": list(map(asdict, catalog.refused)),
            **cost_of(engine),
        },
        f"{arguments.out}: {n} videos x {clips} clips x {d} numbers, encoder {embeddings.encoder}",
    )


def import_official(arguments: Namespace) -> None:
    """Write an encoder with the weights of a checkpoint from elsewhere."""
    from slic.models.official import load_official

    names = ("trained_on", "max_pool", "frames", "stride", "size")
    settings = {name: getattr(arguments, name) for name in names}
    encoder, left_out = load_official(arguments.file, **settings)
    encoder.save_pretrained(arguments.out)
    clip, backbone = encoder.clip, encoder.config.arguments
    weights = len(encoder.state_dict())
    depth = encoder.config.backbone.removeprefix("slic/r3d")
    head = encoder.config.head if encoder.has_head else None
    print_result(
        arguments,
        {
            "out": arguments.out,
            "backbone": encoder.config.backbone,
            "arguments": backbone,
            "clip": asdict(clip),
            "weights": weights,
            "left_out": left_out,
            "head": asdict(head) if head else None,
        },
        f"{arguments.out}: R3D-{depth}, width {backbone['width']:g}, clips of "
        f"{clip.frames} x {clip.size} x {clip.size} pixels; all {weights} weights of the "
        "file are in it" + (f" but the classifier ({', '.join(left_out)})." if left_out else "."),
        f"head: {head.hidden} hidden, {head.embedding} out."
        if head
        else "head: none in the file; embeddings are backbone features.",
        next_words=("index", "VIDEOS", "--encoder", arguments.out, "--out", "index"),
    )
