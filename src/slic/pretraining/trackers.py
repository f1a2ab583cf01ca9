"""Experiment trackers: a run's curves in TensorBoard, Weights & Biases, MLflow or Trackio.

The trackers are those of Accelerate. One that fails ends its own log with a warning, and never the
run.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from accelerate import tracking
from accelerate.tracking import GeneralTracker

from slic.errors import RecipeError
from slic.lookup import look_up, require_extra

PROJECT: Final = "slic"
"""Name of the project, or experiment, that runs are logged to."""

_log = logging.getLogger("slic")

BuildTracker = Callable[[Path], GeneralTracker]
"""Makes a tracker for a run folder; the tracker does nothing before its ``start``."""


class Tracker(GeneralTracker):  # type: ignore[misc]  # Accelerate has no types
    """A tracker whose failures end its own log, and not the run.

    Args:
        name: Name of the tracker, for warnings.
        build: Makes the tracker itself. If its start fails, the next one is tried.
        out: The run folder.
    """

    requires_logging_directory = False

    def __init__(self, name: str, build: Sequence[BuildTracker], out: Path) -> None:
        self.name = name
        super().__init__()
        self._build, self._out = build, out
        self._inner: GeneralTracker | None = None

    @property
    def tracker(self) -> Any:
        """The object of the tracker's own library; None if it failed."""
        return self._inner and self._inner.tracker

    def start(self) -> None:
        """Open the log; say so if nothing can be opened."""
        for number, build in enumerate(self._build, start=1):
            try:
                inner = build(self._out)
                inner.start()
            except Exception as error:  # any library, any reason: no login, no network, a bug
                again = number < len(self._build)
                then = "it logs to the run folder" if again else "the run goes on without it"
                _log.warning("tracker %s: cannot start (%s); %s.", self.name, _first(error), then)
            else:
                self._inner = inner
                return

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Log the settings of the run."""
        if self.name != "tensorboard":  # it would open a second run, with no curve
            self._try("store_init_configuration", dict(values))

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Log the figures of a step."""
        self._try("log", dict(values), step=step, **kwargs)

    def finish(self) -> None:
        """Close the log."""
        self._try("finish")

    def _try(self, method: str, *values: Any, **named: Any) -> None:
        if self._inner is None:
            return
        try:
            getattr(self._inner, method)(*values, **named)
        except Exception as error:
            self._inner = None
            text = "tracker %s: failed (%s); the run goes on without it."
            _log.warning(text, self.name, _first(error))


def _first(error: Exception) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _tensorboard(out: Path) -> GeneralTracker:
    return tracking.TensorBoardTracker("tensorboard", out)


def _wandb(out: Path) -> GeneralTracker:
    return tracking.WandBTracker(PROJECT, dir=out, name=out.name)


def _wandb_offline(out: Path) -> GeneralTracker:
    return tracking.WandBTracker(PROJECT, dir=out, name=out.name, mode="offline")


def _mlflow(out: Path) -> GeneralTracker:
    if "MLFLOW_TRACKING_URI" not in os.environ:
        mlflow = require_extra("mlflow", "mlflow", purpose="the tracker 'mlflow'")
        mlflow.set_tracking_uri(f"sqlite:///{out.absolute() / 'mlflow.db'}")
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # which it set; another run has another folder
    artifacts = (out.absolute() / "mlflow").as_uri()
    return tracking.MLflowTracker(PROJECT, logging_dir=artifacts, run_name=out.name)


def _trackio(out: Path) -> GeneralTracker:
    return tracking.TrackioTracker(PROJECT, name=out.name)


TRACKERS: dict[str, Sequence[BuildTracker]] = {
    "mlflow": (_mlflow,),
    "tensorboard": (_tensorboard,),
    "trackio": (_trackio,),
    "wandb": (_wandb, _wandb_offline),
}
"""Trackers by name, which is also the package and the extra. Later builders are tried if the first
one fails."""


def default_trackers() -> tuple[str, ...]:
    """Return the trackers of a run that names none: TensorBoard, if it is installed."""
    return ("tensorboard",) if importlib.util.find_spec("tensorboard") else ()


def require_trackers(names: Sequence[str]) -> None:
    """Check that trackers exist and are installed.

    Args:
        names: Keys of `TRACKERS`, or import paths of a `BuildTracker`.

    Raises:
        SlicError: A tracker is unknown, or its package is not installed.
    """
    for name in names:
        look_up(name, TRACKERS, kind="tracker", error=RecipeError)
        if name in TRACKERS:
            require_extra(name, name, purpose=f"the tracker {name!r}")


def build_trackers(names: Sequence[str], out: Path) -> list[Tracker]:
    """Return trackers for the ``log_with`` of an `Accelerator`.

    Args:
        names: Keys of `TRACKERS`, or import paths of a `BuildTracker`; the same one counts once.
        out: The run folder.

    Raises:
        SlicError: A tracker is unknown, or its package is not installed.
    """
    require_trackers(names)
    found = {name: look_up(name, TRACKERS, kind="tracker") for name in names}
    return [
        Tracker(name, (build,) if callable(build) else build, out) for name, build in found.items()
    ]


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names, with plain values, as trackers take them.

    Example:
        >>> flat_settings({"train": {"epochs": 3}, "seed": 0})
        {'train.epochs': 3, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            plain = value is None or isinstance(value, bool | int | float | str)
            flat[f"{prefix}{name}"] = value if plain else str(value)
    return flat
