"""The linear probe: a logistic regression on features that are computed once."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int64

from slic.embeddings import embed
from slic.errors import ProtocolError
from slic.evaluation.base import LabelledSplit
from slic.evaluation.classification.task import ClassificationScores, ClassificationTask
from slic.models.encoder import VideoEncoder

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

INVERSE_STRENGTHS = tuple(10.0**power for power in range(-5, 3))  # C of scikit-learn
MAX_FOLDS = 5
MAX_ITERATIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Fit a logistic regression on the mean features of the frozen backbone; takes minutes.

    This is not the protocol ``linear``: it has no augmentation, dropout or schedule, and the
    features are standardised. Compare its numbers with those of other probes only.

    Args:
        clips: Number of evenly spaced clips per video whose features are averaged.
        seed: Seed of the cross-validation folds.

    Example:
        >>> LinearProbe(clips=10).score(encoder, split).top_1
    """

    clips: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ProtocolError(f"clips is {self.clips}, but it must be at least 1.")

    def score(
        self,
        encoder: VideoEncoder,
        split: LabelledSplit,
        *,
        workers: int = 2,
        cache: Path | None = None,
        progress: bool = True,
    ) -> ClassificationScores:
        """Return the scores of an encoder; see `slic.evaluation.base.EvaluationProtocol`.

        Raises:
            LabelError: The labels do not make a task; see `ClassificationTask.from_split`.
        """
        task = ClassificationTask.from_split(split)
        vectors = partial(
            embed, encoder, clips=self.clips, layer="backbone", workers=workers, cache=cache,
            progress=progress,
        )  # fmt: skip
        train_features, test_features = vectors(task.train).mean, vectors(task.test).mean
        regression = fit_logistic_regression(train_features, task.train_targets, seed=self.seed)
        protocol = (
            f"probe: {regression} on standardised backbone features, mean over {self.clips} evenly "
            "spaced centre-cropped clips, in training and test; another protocol than linear"
        )
        probabilities = regression.model.predict_proba(test_features)
        return task.score(probabilities, protocol=protocol)


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression.

    Attributes:
        model: Standardisation and regression.
        inverse_strength: C, the inverse of the strength of the L2 term.
        folds: Number of cross-validation folds that chose C; 0 if there was no cross-validation.
    """

    model: "Pipeline"
    inverse_strength: float
    folds: int

    def __str__(self) -> str:
        how = (
            f"by {self.folds}-fold cross-validation on the training split"
            if self.folds
            else "not cross-validated: a class has a single training video"
        )
        return f"L2 logistic regression (C = {self.inverse_strength:g}, {how})"


def fit_logistic_regression(
    x: Float32[np.ndarray, "n f"], targets: Int64[np.ndarray, " n"], *, seed: int
) -> LogisticFit:
    """Fit a logistic regression whose C is chosen by cross-validation.

    The standardisation is part of the model, so it never uses the held-out fold. If a class has a
    single video, there are no folds and C is 1.
    """
    # scikit-learn takes a second to import; the table of protocols must not wait for it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=MAX_ITERATIONS, random_state=seed)
    )
    folds = min(MAX_FOLDS, int(np.unique(targets, return_counts=True)[1].min()))
    exact: Float64[np.ndarray, "n f"] = x.astype(np.float64)
    if folds < 2:
        return LogisticFit(model.fit(exact, targets), 1.0, 0)
    search = GridSearchCV(
        model,
        {"logisticregression__C": INVERSE_STRENGTHS},
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
    ).fit(exact, targets)
    return LogisticFit(search.best_estimator_, search.best_params_["logisticregression__C"], folds)
