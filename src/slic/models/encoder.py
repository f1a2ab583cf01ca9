"""VideoEncoder: a backbone and the projection head, as a file in the Hugging Face layout."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from slic.errors import CheckpointError
from slic.files import reason_of, write_atomically
from slic.models.backbones.motion import FRAMES_FOR_MOTION, layout_size, motion_of
from slic.models.backbones.r3d import ResNet3D, Shortcut

View = Literal["rgb", "flow", "both"]

DEPTHS = {"r3d10": 10, "r3d18": 18, "r3d34": 34, "r3d50": 50}
CHOICES = {"view": get_args(View), "shortcut": get_args(Shortcut)}
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """What it takes to build an encoder and to cut clips for it; the defaults are the paper's.

    Attributes:
        backbone: ``"r3d10"``, ``"r3d18"``, ``"r3d34"`` or ``"r3d50"``.
        width: Factor on the backbone's channels.
        stem_stride: Frames, rows and columns between the places of the stem.
        max_pool: Whether a max-pool follows the stem.
        shortcut: Kind of the blocks' shortcuts, ``"A"`` or ``"B"``.
        hidden: Width of the projection head's hidden layer.
        embedding: Numbers of an embedding; 0 is an encoder without a head, whose embeddings are
            the backbone's features.
        frames: Frames of a clip.
        stride: Video frames from one frame of a clip to the next.
        size: Rows and columns of a clip, in pixels.
        view: The looks it was trained on: clips, their optical flow, or both.
        subtract_mean_frame: Whether the backbone sees each clip minus its mean over time: what
            stands still is then grey, and appearance does not drown motion.
        motion: Whether the backbone sees every second picture and, beside it, the motion to the
            next one, and what a linear layer makes of the layout of that motion stands beside its
            features (`slic.models.backbones.motion`).
        mean: What the backbone takes for 0, of red, green and blue in 0..1.
        std: What it takes for 1 above that.
    """

    backbone: str = "r3d18"
    width: float = 1.0
    stem_stride: tuple[int, int, int] = (1, 2, 2)
    max_pool: bool = False
    shortcut: Shortcut = "B"
    hidden: int = 2048
    embedding: int = 128
    frames: int = 16
    stride: int = 1
    size: int = 128
    view: View = "both"
    subtract_mean_frame: bool = False
    motion: bool = False
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.backbone not in DEPTHS:
            raise ValueError(f"backbone={self.backbone!r}: the backbones are {', '.join(DEPTHS)}")
        if self.motion and self.frames < FRAMES_FOR_MOTION:
            raise ValueError(f"frames={self.frames}: motion needs at least {FRAMES_FOR_MOTION}")


class VideoEncoder(nn.Module):
    """Backbone and projection head (linear, batch norm, ReLU, linear): clips to embeddings.

    Attributes:
        feature_size: How many numbers the features of a clip are.
        mean_frame: The share, 0..1, of each clip's mean over time that the backbone sees. It is 1,
            or 0 where the configuration takes the mean frame off; pretraining may begin with less.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.mean_frame = 0.0 if config.subtract_mean_frame else 1.0
        self.backbone = ResNet3D(
            DEPTHS[config.backbone],
            config.width,
            inputs=6 if config.motion else 3,
            stem_stride=config.stem_stride,
            max_pool=config.max_pool,
            shortcut=config.shortcut,
        )
        self.feature_size = self.backbone.features
        if config.motion:
            told = 2 * self.backbone.features  # half: 4 points of R@1 less (docs/experiments.md)
            self.layout = nn.Linear(layout_size(config.frames), told, bias=False)
            self.feature_size += told
        self.projection = _projection(self.feature_size, config.hidden, config.embedding)

    def forward(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b d"]:
        """Return the embeddings (output of the head, not normalised) of clips in -1..1."""
        return self.head(self.features(clips))

    def features(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b f"]:
        """Return what the backbone sees in clips, and the layout of motion; before the head."""
        seen = self._normalised(clips[:, :, :-1:2] if self.config.motion else clips)
        if self.mean_frame < 1.0:
            seen = seen - (1.0 - self.mean_frame) * seen.mean(dim=2, keepdim=True)
        if not self.config.motion:
            features: Tensor = self.backbone(seen)
            return features
        motion = motion_of(clips)
        what = self.backbone(_stacked(seen, motion.channels))
        return torch.cat([what, self.layout(motion.layout)], dim=1)

    def head(self, features: Float[Tensor, "b f"]) -> Float[Tensor, "b d"]:
        """Return the embeddings of backbone features."""
        embeddings: Tensor = self.projection(features)
        return embeddings

    def _normalised(self, clips: Float[Tensor, "b 3 t h w"]) -> Float[Tensor, "b 3 t h w"]:
        """Turn -1..1 into what the backbone was trained on; that is often -1..1 itself."""
        mean, std = self.config.mean, self.config.std
        if mean == std == (0.5, 0.5, 0.5):
            return clips
        m, s = (clips.new_tensor(x).view(3, 1, 1, 1) for x in (mean, std))
        return (0.5 * clips + 0.5 - m) / s

    def fingerprint(self) -> str:
        """Return 16 hex digits that change with any weight or setting, and with nothing else."""
        digest = hashlib.sha256(_to_json(self.config))
        for name, tensor in sorted(self.state_dict().items()):
            value = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; each file is whole at any moment.

        Raises:
            CheckpointError: The files cannot be written.
        """
        state = {
            name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()
        }
        write_atomically(Path(folder) / WEIGHTS_FILE, save(state, metadata={"format": "pt"}))
        write_atomically(Path(folder) / CONFIG_FILE, _to_json(self.config))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "VideoEncoder":
        """Return the encoder, on the CPU and in evaluation mode, that ``save_pretrained`` wrote.

        Raises:
            CheckpointError: A file is missing or damaged, or the weights are not exactly those of
                the configuration.
        """
        path = Path(folder) / CONFIG_FILE
        config = _read_config(path)
        try:
            encoder = cls(config)
        except (ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path}: no encoder can be built so ({error}).") from error
        path = Path(folder) / WEIGHTS_FILE
        try:
            state = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: no readable weights ({error}).") from error
        load_exactly(encoder, state, source=path)
        return encoder.eval()


def _stacked(
    pictures: Float[Tensor, "b 3 t h w"], motion: Float[Tensor, "b 3 t h w"]
) -> Float[Tensor, "b 6 t h w"]:
    """Return both as one input, channels last, in the type that autocast would make of it."""
    b, _, t, h, w = pictures.shape
    kind, dtype = pictures.device.type, pictures.dtype
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    both = pictures.new_empty(b, t, h, w, 6, dtype=dtype).permute(0, 4, 1, 2, 3)
    both[:, :3], both[:, 3:] = pictures, motion
    return both


def to_input(clips: UInt8[Tensor, "b t h w 3"]) -> Float[Tensor, "b 3 t h w"]:
    """Return pixels 0..255 as the encoder's input, -1..1."""
    return clips.permute(0, 4, 1, 2, 3).float().div_(127.5).sub_(1.0)


def load_exactly(module: nn.Module, state: Mapping[str, Tensor], *, source: Path) -> None:
    """Load a state dict whose names and shapes must be exactly the module's.

    Raises:
        CheckpointError: Lists what is missing, unexpected and of another shape.
    """
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    misshapen = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{kind}: {_listed(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise CheckpointError(f"{source}: the weights do not fit the encoder; {'; '.join(faults)}.")
    module.load_state_dict(dict(state))


def _projection(features: int, hidden: int, embedding: int) -> nn.Sequential:
    if embedding == 0:
        return nn.Sequential()  # gives back what it gets
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, embedding),
    )


def _alike(value: object, default: object) -> bool:
    """Tell whether a value is of the kind of the default; a whole number serves as a share too."""
    if isinstance(default, tuple):
        return (
            isinstance(value, tuple)
            and len(value) == len(default)
            and all(map(_alike, value, default))
        )
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is type(default)


def _listed(names: list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _to_json(config: EncoderConfig) -> bytes:
    return (json.dumps(asdict(config), indent=2) + "\n").encode()


def _read_config(path: Path) -> EncoderConfig:
    try:
        values: Any = json.loads(path.read_text())
        if not isinstance(values, dict):
            raise TypeError("settings with values are expected")
        unknown = set(values) - {field.name for field in fields(EncoderConfig)}
        if unknown:
            raise CheckpointError(f"{path}: unknown settings {', '.join(sorted(unknown))}.")
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        for name, value in (values | lists).items():
            known = CHOICES.get(name, (value,))
            if value not in known or not _alike(value, getattr(EncoderConfig, name)):
                raise TypeError(f"{name} is {value!r}")
        return EncoderConfig(**values | lists)
    except OSError as error:
        raise CheckpointError(f"{path}: no encoder here ({reason_of(error)}).") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: not an encoder's configuration ({error}).") from error
