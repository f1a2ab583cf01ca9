"""``slic backbones``: which encoders there are, their clips, size, weights and licence."""

from argparse import Namespace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from slic.cli.output import print_result
from slic.cli.parser import Verbs, add_verb

if TYPE_CHECKING:
    from slic.models.backbones import BackboneEntry

OWN_LICENCE = "Apache-2.0"
"""Licence of backbones that do not state another one: that of this package."""


def add_verbs(verbs: Verbs) -> None:
    """Add ``backbones``."""
    summary = "list the backbones by name: clips, size, weights, licence"
    text = "List the backbones that --encoder, --backbone and a recipe take by name."
    add_verb(verbs, "backbones", list_backbones, summary, description=text).add_json()


def list_backbones(arguments: Namespace) -> None:
    """Print a table of all names, without importing what an extra installs."""
    from slic.models.backbones import BACKBONES
    from slic.models.backbones.transformers import FAMILIES, TransformersBackbone

    titles = ("name", "clips", "spacing", "parameters", "weights")
    rows = {name: _columns(name, entry) for name, entry in BACKBONES.items()}
    widths = [max(map(len, column)) for column in zip(titles, *rows.values(), strict=True)]
    lines, source = [_line(titles, widths)], ""
    for name, row in rows.items():
        if name.partition("/")[0] != source:
            source = name.partition("/")[0]
            lines.append(_terms(source, BACKBONES[name].build))
        lines.append(_line(row, widths))
    print_result(
        arguments,
        {
            "backbones": [
                dict(zip(titles, row, strict=True)) | _terms_document(BACKBONES[name].build)
                for name, row in rows.items()
            ],
            "transformers": {"model_types": list(FAMILIES)}
            | _terms_document(TransformersBackbone),
        },
        *lines,
        _terms("transformers", TransformersBackbone),
        "transformers/HUB_ID_OR_FOLDER: clips, size and weights as the files of the model say;",
        f"  model types {', '.join(FAMILIES)}",
        "default: the built-in encoder, slic/two-stream; it needs no weights of yours",
        "package.module:Class: a class of yours",
        next_words=(
            "index", "VIDEOS", "--encoder", "torchvision/r2plus1d_18", "--out", "index",
        ),
    )  # fmt: skip


def _columns(name: str, entry: "BackboneEntry") -> tuple[str, ...]:
    """Return name, clips, spacing of frames, millions of parameters and names of weights."""
    clip = entry.native_clip()
    published = getattr(entry.build, "published", None)
    facts = published(**entry.fixed) if published else None
    parameters = facts.parameters if facts else _count_parameters(entry)
    return (
        name,
        f"{clip.frames} x {clip.size} x {clip.size}",
        clip.spacing,
        f"{parameters / 1e6:.1f} M",
        ", ".join(facts.names) if facts else _own_weights(entry),
    )


def _own_weights(entry: "BackboneEntry") -> str:
    """Say where the weights of a backbone of this package come from."""
    return "built in" if hasattr(entry.build, "load_pretrained") else "those that you train"


def _count_parameters(entry: "BackboneEntry") -> int:
    """Count the parameters of a backbone of this package, built without memory for them."""
    import torch

    with torch.device("meta"):
        backbone: Any = entry.build(clip=entry.native_clip(), **entry.fixed)
    return sum(parameter.numel() for parameter in backbone.parameters())


def _terms(source: str, build: Any) -> str:
    """Return the licence of a source, and whether what it needs is installed."""
    licence = getattr(build, "licence", OWN_LICENCE)
    extra = getattr(build, "extra", None)
    if extra is None:
        state = "no extra needed"
    elif find_spec(extra):
        state = f"extra {extra}: installed"
    else:
        state = f"extra {extra}: missing, pip install 'slic-video[{extra}]'"
    return f"{source}/  {licence}; {state}"


def _terms_document(build: Any) -> dict[str, Any]:
    """Return the licence of a source, its extra, and whether that is installed."""
    extra = getattr(build, "extra", None)
    return {
        "licence": getattr(build, "licence", OWN_LICENCE),
        "extra": extra,
        "installed": extra is None or find_spec(extra) is not None,
    }


def _line(columns: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(x.ljust(width) for x, width in zip(columns, widths, strict=True)).rstrip()
