"""The configuration of an encoder, and its file ``config.json``."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jsonargparse import ArgumentError, ArgumentParser

from slic.arguments import one_line, refuse_nulls, require
from slic.errors import CheckpointError, FormatError, RecipeError
from slic.files import read_json_object, reason_of
from slic.models.backbones import ClipSpec

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
ENCODER_FORMAT = 2
"""Version of ``config.json``. Raise it when the meaning of a field changes (see formats.md)."""


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """The projection head: linear, batch norm, ReLU, linear, as in the paper.

    Attributes:
        hidden: Width of the hidden layer.
        embedding: Length of an embedding. 0 means no head: embeddings are backbone features.
    """

    hidden: int = 2048
    embedding: int = 128

    def __post_init__(self) -> None:
        require(self.embedding >= 0, "embedding", self.embedding, "at least 0")
        least = 1 if self.embedding else 0
        require(self.hidden >= least, "hidden", self.hidden, f"at least {least}")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """What it takes to build an encoder.

    Attributes:
        backbone: Its name, see `find_backbone`.
        arguments: Keyword arguments of the backbone.
        head: The projection head.
        clip: The clips that the encoder takes.
        modalities: What the clips showed in training: ``"rgb"``, ``"flow"`` or both.
    """

    backbone: str = "slic/r3d18"
    arguments: dict[str, Any] = field(default_factory=dict)
    head: HeadSpec = field(default_factory=HeadSpec)
    clip: ClipSpec = field(default_factory=ClipSpec)
    modalities: tuple[str, ...] = ("rgb",)


def find_encoder_folder(path: str | Path) -> Path | None:
    """Return the folder of the encoder in a run folder, or the folder itself; None if neither."""
    folders = (Path(path) / "encoder", Path(path))
    return next((folder for folder in folders if (folder / WEIGHTS_FILE).exists()), None)


def read_encoder_config(path: str | Path) -> EncoderConfig | None:
    """Return the configuration of an encoder or run folder; None if it is neither.

    Raises:
        CheckpointError: The configuration is missing or damaged.
        FormatError: It has another format version.
    """
    folder = find_encoder_folder(path)
    return read_config_file(folder / CONFIG_FILE).config if folder else None


class ConfigFile(NamedTuple):
    """The content of ``config.json``.

    Attributes:
        config: The configuration.
        backbone_version: Version of its backbone.
        weights_sha256: SHA-256 digest of the file of weights; None if the file does not have it.
    """

    config: EncoderConfig
    backbone_version: int
    weights_sha256: str | None


def config_to_json(
    config: EncoderConfig, backbone_version: int, *, weights_sha256: str | None = None
) -> bytes:
    """Return the content of ``config.json``."""
    values = {"format": ENCODER_FORMAT, "backbone_version": backbone_version} | asdict(config)
    values["clip"] = config.clip.to_dict()
    if weights_sha256 is not None:
        values["weights_sha256"] = weights_sha256
    return (json.dumps(values, indent=2) + "\n").encode()


def read_config_file(path: Path) -> ConfigFile:
    """Read ``config.json``.

    Raises:
        CheckpointError: The file is missing or damaged.
        FormatError: It has another format version.
    """
    try:
        values = read_json_object(path)
    except OSError as error:
        raise CheckpointError(f"{path}: there is no encoder ({reason_of(error)}).") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not the configuration of an encoder ({error}).") from error
    version = values.pop("format", None)
    if version != ENCODER_FORMAT:
        raise FormatError(
            f"{path}: format version {version}, but this package reads version {ENCODER_FORMAT}. "
            "Train the encoder again, or import it again from its checkpoint."
        )
    backbone_version = values.pop("backbone_version", None)
    digest = values.pop("weights_sha256", None)
    if not isinstance(digest, str | None):
        raise CheckpointError(f"{path}: weights_sha256 is {digest!r:.80}, not a checksum.")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(EncoderConfig, "encoder")
    try:
        _require_plain_values(values)
        for name, part in (("head", HeadSpec), ("clip", ClipSpec)):
            refuse_nulls(part, values.get(name, {}), name)
        refuse_nulls(EncoderConfig, values, "encoder")
        config: EncoderConfig = parser.instantiate(parser.parse_object({"encoder": values})).encoder
        return ConfigFile(config, backbone_version, digest)
    except (ArgumentError, RecipeError, ValueError, OverflowError, RecursionError) as error:
        reason = one_line(error).replace("encoder.", "")
        raise CheckpointError(f"{path}: not the configuration of an encoder ({reason})") from error


def _require_plain_values(values: dict[str, Any]) -> None:
    """Refuse what the parser would import a class or read another file for.

    Raises:
        RecipeError: A section is no object, or a key is ``class_path``.
    """
    for name in ("arguments", "head", "clip"):
        section = values.get(name, {})
        require(isinstance(section, dict), name, section, "a JSON object")
    pending: list[Any] = [values]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            require("class_path" not in value, "a value", value, "no class")
            pending += value.values()
        elif isinstance(value, list):
            pending += value
