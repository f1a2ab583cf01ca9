"""The protocols that train a classifier on labels and test it with ten crops."""

import json
import math
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.optim import Adam

from slic.arguments import one_line, parse_arguments
from slic.clips.augmentation import Augmentation
from slic.errors import CheckpointError, ProtocolError, RecipeError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification.classifier import VideoClassifier
from slic.evaluation.classification.run_folder import ClassificationFolder
from slic.evaluation.classification.task import ClassificationScores, ClassificationTask
from slic.evaluation.classification.ten_crop import FrameAspect, predict_videos
from slic.evaluation.classification.training import TrainingSettings, train_classifier
from slic.models.encoder import VideoEncoder


@dataclass(frozen=True, kw_only=True)
class TrainedProtocol(TrainingSettings):
    """Train a linear layer, and perhaps the backbone under it, on labels; test with ten crops.

    The run is kept in a folder: settings, log, a checkpoint after every epoch and every ten
    minutes, and the predictions of the test videos. On a CPU a resumed run ends with the same
    weights and scores, bit for bit, as an uninterrupted one.

    Attributes:
        name: Name of the protocol.
        frozen: Whether the backbone stays as it is.
        out: Folder of the run.
        resume: Continue the run in ``out``.
        test_aspect: Aspect ratio of the frames in the ten-crop test, if the encoder's clips say no
            size: that of the video, or 4:3.
    """

    name: ClassVar[str]
    frozen: ClassVar[bool]

    out: Path
    resume: bool = False
    test_aspect: FrameAspect = "kept"

    @classmethod
    def resumed(cls, out: Path, **overrides: Any) -> "TrainedProtocol":
        """Return the protocol of the run in a folder, with its own settings.

        Args:
            out: Folder of the run.
            overrides: Settings to use instead. `score` refuses those that differ from the run's.

        Raises:
            CheckpointError: There is no run, or its settings cannot be read.
            FormatError: The run is of another version of the format.
        """
        folder = ClassificationFolder(out)
        stored = folder.read_settings()
        try:
            known = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
            ranges = parse_arguments(Augmentation, known.pop("augmentation"), key="augmentation")
            skip = {"augmentation", "out", "resume"}
            settings = parse_arguments(cls, known, key="settings", skip=skip)
            settings["augmentation"] = Augmentation(**ranges)
            return cls(**settings | overrides, out=out, resume=True)
        except (KeyError, TypeError, AttributeError, RecipeError, ProtocolError) as error:
            raise CheckpointError(
                f"{folder.settings_file}: not the settings of a classification run "
                f"({one_line(error)})."
            ) from error

    def score(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,  # noqa: ARG002 (what is kept lies in the folder of the run)
        progress: bool = True,
    ) -> ClassificationScores:
        """Train a classifier on the training videos and classify the test videos.

        Args:
            encoder: Its backbone is copied; the encoder itself is not changed.
            split: Training and test videos with their labels.
            workers: Number of processes that decode; 0 decodes in this process. The result does
                not depend on it.
            cache: Not used; the run folder keeps what was computed.
            progress: Show progress bars on stderr.

        Raises:
            LabelError: The labels do not make a task; see `ClassificationTask.from_split`.
            CheckpointError: The folder holds another run.
            WriteError: The folder cannot be written.
            TrainingError: A loss is not finite.
            StopRequested: Ctrl-C was pressed; the state was saved.
        """
        task = ClassificationTask.from_split(split)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        classifier = VideoClassifier(
            encoder, len(task.classes), frozen=self.frozen, dropout=self.dropout, seed=self.seed
        )
        with ClassificationFolder(self.out) as folder:
            folder.start_or_resume(self._run_settings(encoder, task), resume=self.resume)
            train_classifier(
                classifier, task, self, folder, device=device, workers=workers, progress=progress
            )
            if not self.frozen:
                classifier.encoder.save_pretrained(folder.encoder)
            probabilities = predict_videos(
                classifier,
                task.test,
                folder,
                device=device,
                precision=self.precision,
                aspect=self.test_aspect,
                workers=workers,
                progress=progress,
            )
        return task.score(probabilities, protocol=self._description(encoder))

    def _run_settings(self, encoder: VideoEncoder, task: ClassificationTask) -> dict[str, Any]:
        """Return what identifies the run; a CheckpointError shows these names."""
        pairs = [
            (video.id, video.frames, target)
            for video, target in zip(task.train, task.train_targets.tolist(), strict=True)
        ]
        settings = {k: v for k, v in asdict(self).items() if k not in ("out", "resume")}
        return {
            "protocol": self.name,
            "encoder": encoder.fingerprint(),
            **settings,
            "classes": task.classes,
            "set of training videos": sha256(json.dumps(pairs).encode()).hexdigest()[:16],
        }

    def _description(self, encoder: VideoEncoder) -> str:
        """Return training and test in words."""
        first, second = self.drop_epochs
        clip = encoder.clip
        shape = {"kept": "", "4:3": ", frames resized to 4:3"}[self.test_aspect]
        return (
            f"{self.name}: {self._trained_part_and_rates()}, / 10 at epochs {first} and {second}, "
            f"weight decay {self.weight_decay:g}, dropout {self.dropout:g}, {self.precision}, "
            f"seed {self.seed}; test: ten crops (four corners and centre, each also mirrored) of "
            f"half-overlapping windows of {clip.frames} frames at {clip.spacing} over "
            f"the whole video{shape if clip.resize is None else ''}, mean softmax"
        )

    def _trained_part_and_rates(self) -> str:
        return (
            f"linear layer on a frozen backbone, {self.epochs} epochs in batches of "
            f"{self.batch_size}, Adam {self.learning_rate:g}"
        )


@dataclass(frozen=True, kw_only=True)
class LinearTraining(TrainedProtocol):
    """Train a linear layer on the frozen backbone: the schedule of fine-tuning, no dropout.

    Example:
        >>> LinearTraining(out=Path("linear")).score(encoder, split).top_1
    """

    name: ClassVar[str] = "linear"
    frozen: ClassVar[bool] = True

    out: Path = Path("linear")
    dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FineTuning(TrainedProtocol):
    """Train the backbone and a linear layer on labels.

    The fine-tuned backbone is saved in ``encoder/`` of the run folder, as an encoder without a
    head.

    Attributes:
        backbone_learning_rate: Learning rate of Adam for the backbone.

    Example:
        >>> FineTuning(out=Path("finetune"), epochs=150).score(encoder, split).top_1
    """

    name: ClassVar[str] = "finetune"
    frozen: ClassVar[bool] = False

    out: Path = Path("finetune")
    backbone_learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        rate = self.backbone_learning_rate
        self.require(0 < rate < math.inf, "backbone_learning_rate", "above 0")

    def build_optimizer(self, classifier: VideoClassifier) -> Adam:
        """Return Adam over the linear layer and, with its own learning rate, the backbone."""
        optimizer = super().build_optimizer(classifier)
        backbone = list(classifier.encoder.parameters())
        optimizer.add_param_group({"params": backbone, "lr": self.backbone_learning_rate})
        return optimizer

    def _trained_part_and_rates(self) -> str:
        return (
            f"backbone and linear layer, {self.epochs} epochs in batches of {self.batch_size}, "
            f"Adam {self.learning_rate:g} (backbone {self.backbone_learning_rate:g})"
        )
