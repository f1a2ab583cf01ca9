"""What a run says while it works: the bar on stderr, ``log.jsonl``, and TensorBoard."""

import sys
from types import TracebackType

from accelerate import Accelerator
from tqdm import tqdm

from slic.clips.datasets import TripletSample
from slic.clustering.assignment import PseudoLabels
from slic.pretraining.folder import RunFolder
from slic.pretraining.objective import LossTerms


class Reporter:
    """Speaks for the main process only; the others are silent."""

    def __init__(self, folder: RunFolder, accelerator: Accelerator) -> None:
        self.folder = folder
        self.accelerator = accelerator
        self.clusters = 0

    def start(self, total_steps: int, *, done: int, progress: bool) -> None:
        """Open the bar and the trackers."""
        self.accelerator.init_trackers("tensorboard")
        self.bar = tqdm(
            total=total_steps,
            initial=done,
            unit="step",
            disable=not progress,
            file=sys.stderr,
            dynamic_ncols=True,
            smoothing=0.05,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
        self.accelerator.end_training()

    def clustered(
        self,
        pseudo_labels: PseudoLabels,
        *,
        epoch: int,
        step: int,
        agreement: float | None,
        **truth: float,
    ) -> None:
        """Log a round: its clusters, their agreement with the last round's and with the truth."""
        self.clusters = pseudo_labels.clusters
        summary = pseudo_labels.summary()
        self.folder.log("round", epoch=epoch, step=step, **summary, agreement=agreement, **truth)
        if pseudo_labels.one_cluster:
            message = "all videos fell into one cluster, so there is no negative to learn from."
            self.warn(message, epoch=epoch, step=step)

    def stepped(
        self,
        terms: LossTerms,
        samples: TripletSample,
        *,
        epoch: int,
        step: int,
        learning_rate: float,
        seconds: float,
    ) -> float:
        """Log a step, move the bar, and return the spread of the batch's embeddings."""
        values = {name: round(value.item(), 6) for name, value in terms._asdict().items()}
        values["loss"] = values.pop("total")
        if not self.accelerator.is_main_process:
            return float(values["spread"])
        values["learning_rate"] = learning_rate
        videos, looks = samples.clips.shape[:2]
        clips = videos * looks * self.accelerator.num_processes
        self.folder.log(
            "step",
            step=step,
            epoch=epoch,
            **values,
            overlapping=int(samples.overlap.sum()),
            seconds=round(seconds, 4),
            clips_per_second=round(clips / seconds, 2),
        )
        self.accelerator.log(values, step=step)
        self.bar.set_postfix_str(
            f"loss {values['loss']:.3f}, active {values['active']:.0%}, {self.clusters} clusters, "
            f"{clips * (self.bar.format_dict['rate'] or 0.0):.0f} clips/s",
            refresh=False,
        )
        self.bar.update()
        return float(values["spread"])

    def warn(self, message: str, *, epoch: int, step: int) -> None:
        """Write a line above the bar and into the log."""
        if self.accelerator.is_main_process:
            self.bar.write(f"warning: {message}", file=sys.stderr)
            self.folder.log("warning", epoch=epoch, step=step, message=message)
