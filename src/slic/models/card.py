"""The model card of an encoder: what it is, what it learnt from, what it scores, how to use it."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from slic.arguments import one_line
from slic.errors import CheckpointError, FormatError
from slic.files import read_json_object, read_yaml_mapping, reason_of
from slic.models.encoder import VideoEncoder
from slic.runs import read_log

CARD_FILE: Final = "README.md"
UNKNOWN_LICENCE: Final = "unknown"
"""What the Hub calls a licence that nobody stated."""

_RATES: Final = {
    "mean_average_precision": "mAP",
    "top_1": "top-1",
    "top_5": "top-5",
    "mean_class_accuracy": "class mean",
    "accuracy": "accuracy",
    "chance": "top-1 of chance",
    "majority": "top-1 of the most frequent class",
}
"""Keys of files of scores whose values are shares, and their names."""


@dataclass(frozen=True, kw_only=True)
class TrainingFacts:
    """What a run folder tells of how an encoder was trained.

    Attributes:
        videos: Number of training videos; None if no round was logged.
        steps: Number of finished steps.
        recipe: All settings, by section.
    """

    videos: int | None
    steps: int
    recipe: Mapping[str, Any]

    def lines(self) -> list[str]:
        """Return the facts as lines of Markdown."""
        recipe = self.recipe
        parts = ", ".join(
            f"{section} `{recipe[section]['name']}`"
            for section in ("loss", "clustering", "optimizer", "schedule")
            if recipe.get(section, {}).get("name")
        )
        weights = recipe.get("init", {}).get("weights", "random")
        train = recipe.get("train", {})
        passes = f"epochs: {train['epochs']}, " if train.get("epochs") else ""
        return [
            f"- Videos: {'unknown' if self.videos is None else f'{self.videos:,}'}, without labels",
            f"- Steps: {self.steps:,} ({passes}batch size: {train.get('batch_size')}, "
            f"seed: {train.get('seed', 0)})",
            f"- Weights at the start: `{weights}`",
            f"- Parts: {parts}",
            "- Settings: all of them are in `recipe.yaml`",
        ]


def read_run(folder: Path) -> TrainingFacts | None:
    """Return what a run folder tells of its training; None if the folder has no run.

    Raises:
        CheckpointError: The recipe cannot be read.
    """
    path = folder / "recipe.yaml"
    if not path.exists():
        return None
    try:
        recipe = read_yaml_mapping(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read ({one_line(error)}).") from error
    steps = [record for record in read_log(folder / "log.jsonl") if record.get("kind") == "step"]
    rounds = sorted((folder / "clusters").glob("epoch-*.jsonl"))
    return TrainingFacts(
        videos=len(read_log(rounds[-1])) if rounds else None,
        steps=max((s for record in steps if type(s := record.get("step")) is int), default=0),
        recipe={name: values for name, values in recipe.items() if isinstance(values, dict)},
    )


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """Numbers of one protocol on one data set, over one or several encoders.

    Attributes:
        protocol: The conditions in words.
        data: Labels and splits.
        percents: By name of the metric, a value for each file of scores.
    """

    protocol: str
    data: str
    percents: Mapping[str, Sequence[float]]

    def lines(self) -> list[str]:
        """Return a row of a Markdown table for each metric."""
        return [
            f"| {self.data} | {self.protocol} | {name} | {_with_spread(values)} | {len(values)} |"
            for name, values in self.percents.items()
        ]


def read_scores(paths: Iterable[Path], *, fingerprint: str) -> list[ScoreRow]:
    """Read files of scores that ``slic evaluate`` wrote; those of one protocol become one row.

    Args:
        paths: The JSON files. Files of the same protocol, labels and splits are runs of several
            seeds: the card shows their mean and standard deviation.
        fingerprint: Of the encoder. One file of each protocol must be about it.

    Raises:
        CheckpointError: A file cannot be read, or no file of a protocol is about the encoder.
        FormatError: A file is not one of scores.
    """
    groups: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for path in paths:
        scores = _read_scores_file(path)
        data = ", ".join(str(scores[key]) for key in ("labels", "splits") if key in scores)
        groups[scores["protocol"], data].append(scores)
    rows = []
    for (protocol, data), files in groups.items():
        if fingerprint not in (found := [scores.get("encoder") for scores in files]):
            raise CheckpointError(
                f"scores of {protocol!r:.200} are of the encoder {found[0]!s:.40}, not of "
                f"{fingerprint}. Evaluate this encoder, or leave them out."
            )
        percents = [_percents(scores) for scores in files]
        names = [name for name in percents[0] if all(name in values for values in percents)]
        values = {name: [of[name] for of in percents] for name in names}
        rows.append(ScoreRow(protocol=protocol, data=data, percents=values))
    return rows


def write_card(
    encoder: VideoEncoder,
    *,
    name: str,
    licence: str | None = None,
    data: str | None = None,
    training: TrainingFacts | None = None,
    scores: Sequence[ScoreRow] = (),
) -> str:
    """Return the model card of an encoder, in Markdown with the metadata of the Hub.

    Args:
        encoder: The encoder.
        name: ``org/name`` on the Hub, or a folder.
        licence: Of the weights, as the Hub names it, such as ``apache-2.0``. None takes that of the
            backbone's published weights where training started from them.
        data: The training videos in words.
        training: How it was trained.
        scores: What it scores.
    """
    licence = licence or _inherited_licence(encoder, training) or UNKNOWN_LICENCE
    metadata = {
        "license": licence.lower(),
        "library_name": "slic",
        "tags": ["video", "self-supervised-learning", "action-recognition", "slic"],
    }
    return "\n".join(
        [
            "---", yaml.safe_dump(metadata, sort_keys=False).strip(), "---", "",
            f"# {name.rstrip('/').rpartition('/')[2]}", "",
            "A video encoder: clips of the same action lie close together. It was made with "
            "`slic`, which implements SLIC (CVPR 2022, https://arxiv.org/abs/2206.12534).", "",
            *_encoder_lines(encoder), "",
            *_use_lines(name), "",
            *_training_lines(training, data), "",
            *_score_lines(scores), "",
            "## Licence", "",
            f"`{licence}`" if licence != UNKNOWN_LICENCE else "Not stated by the author.",
        ]
    ).rstrip() + "\n"  # fmt: skip


def _encoder_lines(encoder: VideoEncoder) -> list[str]:
    clip = encoder.clip
    parts = [f"{length} numbers ({part})" for part, length in encoder.vectors.items()]
    return [
        "| | |",
        "|---|---|",
        f"| backbone | `{encoder.config.backbone}` |",
        f"| clips | {clip.frames} x {clip.size} x {clip.size} pixels, {clip.spacing} |",
        f"| vectors | {', '.join(parts)}, each compared by cosine |",
        f"| parameters | {sum(p.numel() for p in encoder.parameters()) / 1e6:.1f} M |",
        f"| fingerprint | `{encoder.fingerprint()}` |",
    ]


def _use_lines(name: str) -> list[str]:
    return [
        "## Use",
        "",
        "```python",
        "import slic",
        f'encoder = slic.VideoEncoder.from_pretrained("{name}")',
        'catalog = slic.Catalog.from_folder("videos")',
        "embeddings = slic.embed(encoder, catalog, clips=10)",
        "print(embeddings.ids[0], embeddings.mean.shape)  # (videos, numbers)",
        "```",
        "",
        f"Search a folder: `slic index videos --encoder {name} --out index`.",
    ]


def _training_lines(training: TrainingFacts | None, data: str | None) -> list[str]:
    facts = ([f"- Data: {data}"] if data else []) + (training.lines() if training else [])
    return ["## Training", "", *(facts or ["Not stated by the author."])]


def _score_lines(scores: Sequence[ScoreRow]) -> list[str]:
    if not scores:
        return ["## Evaluation", "", "No numbers of a protocol were given."]
    return [
        "## Evaluation",
        "",
        "Percent; of several encoders, that is seeds, mean ± standard deviation.",
        "",
        "| labels | protocol | metric | value | encoders |",
        "|---|---|---|---|---|",
        *(line for row in scores for line in row.lines()),
    ]


def _inherited_licence(encoder: VideoEncoder, training: TrainingFacts | None) -> str | None:
    """Return the licence of the published weights that training started from, if it did."""
    init = training.recipe.get("init", {}).get("weights", "random") if training else "pretrained"
    licence: str | None = getattr(encoder.backbone, "licence", None)
    return licence if init != "random" else None


def _with_spread(percents: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(percents):.1f}" if len(percents) > 1 else ""
    return f"{statistics.mean(percents):.1f}{spread}"


def _read_scores_file(path: Path) -> dict[str, Any]:
    try:
        scores = read_json_object(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({reason_of(error)}).") from error
    except ValueError as error:
        raise FormatError(f"{path}: not a file of scores ({error}).") from error
    if not isinstance(scores.get("protocol"), str):
        raise FormatError(f"{path}: not a file of scores; `slic evaluate --json` writes one.")
    try:
        _percents(scores)
    except (ValueError, TypeError, AttributeError) as error:
        raise FormatError(f"{path}: not a file of scores ({one_line(error)}).") from error
    return scores


def _percents(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the shares in a file of scores, in percent, by the name of the metric."""
    recall = {f"R@{k}": value for k, value in scores.get("recall", {}).items()}
    baselines = scores.get("baselines_recall_at_1", {})
    rates: dict[str, float | None]
    rates = {name: scores.get(key) for key, name in _RATES.items()}
    rates |= {f"R@1 of {name}": value for name, value in baselines.items()}
    shares = {name: x for name, x in (recall | rates).items() if x is not None}
    if wrong := [name for name, x in shares.items() if not 0 <= x <= 1]:
        raise ValueError(f"{wrong[0]} is {shares[wrong[0]]!r:.40}, which is no share")
    return {name: 100.0 * x for name, x in shares.items()}
