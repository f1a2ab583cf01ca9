"""Export an encoder to one file that runs without this package: ONNX, or a PyTorch program.

The exported graph takes pixels and contains the preprocessing of a clip. What it cannot contain is
how frames are chosen and resized; the file describes that, see `describe`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.nn.functional import normalize

from slic.files import atomic_path, move_whole, temporary_folder
from slic.lookup import require_extra
from slic.models.backbones import ClipSpec
from slic.models.encoder import VideoEncoder, to_input

EXPORT_FORMAT: Final = 1
"""Version of the description in an exported file."""
DESCRIPTION_KEY: Final = "slic"
"""Key of the description in the metadata of an ONNX model."""
DESCRIPTION_FILE: Final = "slic.json"
"""Name of the description among the extra files of a PyTorch program."""

_OUTPUT_NAME = "embedding"
_EXAMPLE_CLIPS = 2  # one clip would make the batch a constant of the graph


class PixelEncoder(nn.Module):
    """An encoder that takes pixels in 0..255."""

    def __init__(self, encoder: VideoEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, clips: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b d"]:
        """Return the embeddings of clips, not normalised."""
        embeddings: Tensor = self.encoder(to_input(clips))
        return embeddings


def export_torch(encoder: VideoEncoder, path: str | Path) -> None:
    """Write an encoder as a PyTorch program, for `torch.export.load`.

    Its input is ``clips``, uint8 of shape (batch, frames, size, size, 3), RGB; the batch may be of
    any size. Its output is the embedding. The extra file ``DESCRIPTION_FILE`` has the description.

    Args:
        encoder: The encoder, on the CPU.
        path: The file, which usually ends in ``.pt2``.

    Raises:
        WriteError: The file cannot be written.

    Example:
        >>> export_torch(encoder, "encoder.pt2")
        >>> torch.export.load("encoder.pt2").module()(clips)
    """
    program = export_program(encoder)
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        text = json.dumps(describe(encoder), indent=2)
        torch.export.save(program, file, extra_files={DESCRIPTION_FILE: text})


def export_onnx(encoder: VideoEncoder, path: str | Path) -> None:
    """Write an encoder as an ONNX model.

    Input and output are those of `export_torch`. The metadata ``DESCRIPTION_KEY`` has the
    description. Weights of 2 GB and more go into a second file, ``path`` with ``.data`` appended.

    Args:
        encoder: The encoder, on the CPU.
        path: The file, which usually ends in ``.onnx``.

    Raises:
        SlicError: The packages that write ONNX are not installed.
        WriteError: The file cannot be written.

    Example:
        >>> export_onnx(encoder, "encoder.onnx")
        >>> onnxruntime.InferenceSession("encoder.onnx").run(None, {"clips": clips})
    """
    for module in ("onnx", "onnxscript"):
        require_extra(module, "export", purpose="an ONNX model")
    program = export_program(encoder).run_decompositions(_WITHOUT_ONNX_OPERATOR)
    model = torch.onnx.export(
        program,
        dynamo=True,
        dynamic_shapes={"clips": {0: "batch"}},
        input_names=["clips"],
        output_names=[_OUTPUT_NAME],
        verbose=False,
    )
    assert model is not None
    _reserve(_OUTPUT_NAME, model.model.graph)
    model.model.metadata_props[DESCRIPTION_KEY] = json.dumps(describe(encoder))
    path = Path(path)
    with temporary_folder(path) as folder:
        model.save(folder / path.name)
        for file in sorted(folder.iterdir(), reverse=True):  # weights before the model
            move_whole(file, path.with_name(file.name))


def _reserve(output: str, graph: Any) -> None:
    """Rename inner values with the name of the output, such as that of a `torch.nn.Embedding`."""
    inner = [*graph.initializers.values(), *(value for node in graph for value in node.outputs)]
    for value in inner:
        if value.name == output and not value.is_graph_output():
            value.name = f"inner_{output}"


def export_program(encoder: VideoEncoder) -> ExportedProgram:
    """Return an encoder as a graph from pixels to embeddings, with a batch of any size."""
    clip = encoder.clip
    example = torch.zeros(_EXAMPLE_CLIPS, clip.frames, clip.size, clip.size, 3, dtype=torch.uint8)
    with torch.no_grad():
        return torch.export.export(
            PixelEncoder(encoder).eval(), (example,), dynamic_shapes={"clips": {0: Dim("batch")}}
        )


def check_onnx(encoder: VideoEncoder, path: str | Path, *, seed: int = 0) -> float:
    """Run an exported model in ONNX Runtime, and compare it with the encoder.

    Args:
        encoder: The encoder that was exported, on the CPU.
        path: The model.
        seed: Seed of the clips, which are random pixels.

    Returns:
        The largest difference between numbers of embeddings of unit length.

    Raises:
        SlicError: ONNX Runtime is not installed.
    """
    runtime = require_extra("onnxruntime", "export", purpose="a check of an ONNX model")
    clip, generator = encoder.clip, torch.Generator().manual_seed(seed)
    shape = (_EXAMPLE_CLIPS + 1, clip.frames, clip.size, clip.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"clips": clips.numpy()})
    with torch.no_grad():
        expected = PixelEncoder(encoder)(clips)
    difference = normalize(torch.from_numpy(found)) - normalize(expected)
    return float(difference.abs().max())


def describe(encoder: VideoEncoder) -> dict[str, Any]:
    """Return what a user of an exported file must know, as plain values for JSON."""
    clip = encoder.clip
    return {
        "format": EXPORT_FORMAT,
        "backbone": encoder.config.backbone,
        "fingerprint": encoder.fingerprint(),
        "clip": clip.to_dict(),
        "before": {
            "frames": f"{clip.frames}, {clip.spacing}; a short video repeats its last frame",
            "resize": f"{_resize_words(clip)}, linear, halved by areas while twice as large",
            "crop": f"the centre, {clip.size} x {clip.size} pixels",
        },
        "input": {
            "name": "clips",
            "type": "uint8",
            "shape": ["batch", clip.frames, clip.size, clip.size, 3],
            "meaning": "RGB pixels in 0..255; the graph normalises them",
        },
        "output": {
            "name": "embedding",
            "type": "float32",
            "shape": ["batch", encoder.embedding_size],
            "layer": "head" if encoder.has_head else "backbone",
            "vectors": encoder.vectors,
            "meaning": "compare each of the vectors by cosine similarity",
        },
    }


def _resize_words(clip: ClipSpec) -> str:
    if isinstance(clip.resize, int):
        return f"the shorter side to {clip.resize} pixels; the aspect ratio is kept"
    width, height = clip.resize or (round(clip.size * 4 / 3), clip.size)
    return f"to {width} x {height} pixels, whatever the aspect ratio"


def _solve(
    a: Tensor, b: Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor]:
    """Solve a x = b by elimination without pivoting.

    That is stable where ``a`` is symmetric and positive definite, as in least squares.
    """
    assert left
    assert not check_errors
    size = a.shape[-1]
    both = torch.cat([a, b], dim=-1)
    for i, unit in enumerate(torch.eye(size, device=a.device)[..., None]):
        row = both[..., i : i + 1, :] / both[..., i : i + 1, i : i + 1]
        both = both - (both[..., i : i + 1] - unit) * row
    return both[..., size:], torch.zeros_like(a[..., 0, 0], dtype=torch.int32)


def _median(x: Tensor, dim: int, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """Return the lower median and its index."""
    ordered, order = torch.sort(x, dim)
    middle = (x.shape[dim] - 1) // 2
    values, indices = ordered.narrow(dim, middle, 1), order.narrow(dim, middle, 1)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


_WITHOUT_ONNX_OPERATOR: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.linalg_solve_ex.default: _solve,
    torch.ops.aten.median.dim: _median,
}
"""Operations that ONNX does not have, written with those that it has."""
