"""``slic export``: an encoder for other runtimes, the embeddings of an index for other tools."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slic.cli.common import open_index, require_file_paths
from slic.cli.output import print_result
from slic.cli.parser import CommandParser, Verbs, add_verb
from slic.errors import SlicError

if TYPE_CHECKING:
    from slic.models.encoder import VideoEncoder

PARITY = 1e-3
"""Largest difference between embeddings of unit length that an ONNX model may show."""


def add_verbs(verbs: Verbs) -> None:
    """Add ``export`` with its verbs."""
    summary = "write an encoder for ONNX or PyTorch, or the embeddings of an index"
    export = verbs.add_parser("export", help=summary)
    kinds = export.add_subparsers(required=True, metavar="WHAT")
    verb = add_verb(kinds, "onnx", export_onnx, "an encoder for ONNX Runtime")
    _add_encoder(verb, "the .onnx file to write")
    verb = add_verb(kinds, "torch", export_torch, "an encoder for torch.export.load")
    _add_encoder(verb, "the .pt2 file to write")
    summary = "the moments of an index with their embeddings, as Parquet or NumPy"
    verb = add_verb(kinds, "embeddings", export_embeddings, summary)
    verb.add_index()
    verb.add_argument("--out", type=Path, required=True, help="the .parquet or .npz file to write")
    verb.add_json()


def _add_encoder(verb: CommandParser, out: str) -> None:
    text = "folder of an encoder or a run, or a name such as torchvision/r3d_18"
    verb.add_argument("encoder", metavar="ENCODER", help=text)
    verb.add_argument("--out", type=Path, required=True, help=out)
    verb.add_json()


def export_onnx(arguments: Namespace) -> None:
    """Write an encoder as an ONNX model, and compare the two."""
    from slic.models import export

    encoder = _open(arguments)
    export.export_onnx(encoder, arguments.out)
    difference = export.check_onnx(encoder, arguments.out)
    parity = f"in ONNX Runtime, embeddings of length 1 differ by at most {difference:.0e}"
    document = _describe(encoder, arguments.out) | {"difference": difference}
    print_result(arguments, document, _input_line(encoder, arguments.out), parity)
    if difference > PARITY:
        raise SlicError(
            f"{arguments.out}: embeddings differ by {difference:.0e}, more than {PARITY:.0e}. "
            "Report it, with the backbone of the encoder."
        )


def export_torch(arguments: Namespace) -> None:
    """Write an encoder as a PyTorch program."""
    from slic.models import export

    encoder = _open(arguments)
    export.export_torch(encoder, arguments.out)
    document = _describe(encoder, arguments.out)
    print_result(arguments, document, _input_line(encoder, arguments.out))


def export_embeddings(arguments: Namespace) -> None:
    """Write the moments of an index with their embeddings."""
    from slic.search.embedding_table import export_embeddings as write

    index = open_index(arguments.index)
    require_file_paths(arguments.out)
    count = write(index, arguments.out)
    dimension = index.settings.dimension
    document = {"out": arguments.out, "moments": count, "dimension": dimension}
    print_result(arguments, document, f"{arguments.out}: {count} moments x {dimension} numbers")


def _open(arguments: Namespace) -> "VideoEncoder":
    """Open the encoder on the CPU."""
    from slic.models.sources import open_encoder

    require_file_paths(arguments.out)
    return open_encoder(arguments.encoder)


def _describe(encoder: "VideoEncoder", out: Path) -> dict[str, Any]:
    return {
        "out": out,
        "clip": asdict(encoder.clip),
        "dimension": encoder.embedding_size,
        "encoder": encoder.fingerprint(),
    }


def _input_line(encoder: "VideoEncoder", out: Path) -> str:
    clip = encoder.clip
    return (
        f"{out}: uint8 clips (batch, {clip.frames}, {clip.size}, {clip.size}, 3) at "
        f"{clip.spacing} -> embeddings (batch, {encoder.embedding_size}), "
        f"encoder {encoder.fingerprint()}"
    )
