"""A quick probe: the exact optimum of a linear classifier on features that are computed once.

This is another protocol than ``linear``: no augmentation, no dropout, no schedule, and features
that are standardised. Its numbers stand beside nobody's `linear` numbers, but it takes minutes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from slic.embeddings import embed
from slic.evaluation.classification.problem import Problem
from slic.evaluation.classification.scores import ClassificationScores, score
from slic.models.encoder import VideoEncoder

INVERSE_STRENGTHS = tuple(10.0**power for power in range(-5, 3))  # C of scikit-learn
FOLDS = 5
MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Fit:
    """A fitted probe, and how the strength of its L2 term was found."""

    model: Pipeline
    inverse_strength: float
    folds: int

    def __str__(self) -> str:
        how = (
            f"by {self.folds}-fold cross-validation on the training split"
            if self.folds
            else "not cross-validated: a class has a single training video"
        )
        return f"L2 logistic regression (C = {self.inverse_strength:g}, {how})"


def probe(
    encoder: VideoEncoder,
    problem: Problem,
    *,
    clips: int = 10,
    seed: int = 0,
    cache: Path | None = None,
    workers: int = 2,
    progress: bool = True,
) -> ClassificationScores:
    """Fit a logistic regression on backbone features of the training videos; name the test videos.

    Args:
        encoder: Whose backbone gives the features.
        problem: The videos and their classes.
        clips: Evenly spaced clips of a video, whose features are averaged.
        seed: Of the folds.
        cache: Folder where features are kept, for the next probe and after a kill.
        workers: Processes that decode.
        progress: Show bars on stderr.
    """
    to_learn, to_test = (
        embed(
            encoder,
            side,
            clips=clips,
            layer="backbone",
            workers=workers,
            cache=cache,
            progress=progress,
        ).mean
        for side in (problem.train, problem.test)
    )
    found = fit(to_learn, problem.train_targets, seed=seed)
    words = (
        f"probe: {found} on standardised backbone features, mean over {clips} evenly spaced "
        "centre-cropped clips, in training and test; another protocol than linear"
    )
    return score(found.model.predict_proba(to_test), problem, protocol=words)


def fit(x: Float32[np.ndarray, "n f"], targets: Int64[np.ndarray, " n"], *, seed: int) -> Fit:
    """Fit the regression, with the strength of L2 that does best in cross-validation.

    Standardising is part of what is fitted, so a fold is standardised by the others only. Where a
    class has a single video no fold can be made, and C is 1.
    """
    model = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=MOST_ITERATIONS, random_state=seed)
    )
    folds = min(FOLDS, int(np.unique(targets, return_counts=True)[1].min()))
    exact: Float64[np.ndarray, "n f"] = x.astype(np.float64)
    if folds < 2:
        return Fit(model.fit(exact, targets), 1.0, 0)
    search = GridSearchCV(
        model,
        {"logisticregression__C": INVERSE_STRENGTHS},
        cv=StratifiedKFold(folds, shuffle=True, random_state=seed),
    ).fit(exact, targets)
    return Fit(search.best_estimator_, search.best_params_["logisticregression__C"], folds)
