"""The plan of a sample: what depends on the action, and what the splits share."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from slic.sample import ACTIONS
from slic.sample.plan import SampleSettings, plan_sample


def test_appearance_is_independent_of_the_action() -> None:
    entries = plan_sample(SampleSettings("easy", 4000, 0, 0))
    properties = {
        "actor": [entry.actor for entry in entries],
        "background": [entry.background for entry in entries],
        "container": [Path(entry.path).suffix for entry in entries],
    }
    for values in properties.values():
        kinds = sorted(set(values))
        counts = np.zeros((len(ACTIONS), len(kinds)))
        for entry, kind in zip(entries, values, strict=True):
            counts[ACTIONS.index(entry.label), kinds.index(kind)] += 1
        assert chi2_contingency(counts).pvalue > 1e-3


def test_confounded_backgrounds_belong_to_an_action_in_training_only() -> None:
    settings = SampleSettings("easy", 6000, 3000, 1, scenes="confounded")
    train, test = (
        [entry for entry in plan_sample(settings) if entry.split == split]
        for split in ("train", "test")
    )
    labels_of: dict[str, Counter[str]] = {}
    for entry in train:
        labels_of.setdefault(entry.background, Counter())[entry.label] += 1
    main = {background: labels.most_common(1)[0] for background, labels in labels_of.items()}
    assert set(Counter(action for action, _ in main.values()).values()) == {6}  # 60 backgrounds
    shares = [count / labels_of[background].total() for background, (_, count) in main.items()]
    assert min(shares) > 0.75
    own = sum(count for _, count in main.values()) / len(train)
    assert own == pytest.approx(0.9, abs=0.015)
    counts = Counter((entry.label, entry.background) for entry in test)
    backgrounds = sorted({entry.background for entry in test})
    assert chi2_contingency([[counts[a, b] for b in backgrounds] for a in ACTIONS]).pvalue > 1e-3
    assert {entry.background for entry in train}.isdisjoint(backgrounds)
    assert {entry.actor for entry in train}.isdisjoint(entry.actor for entry in test)
    independent = SampleSettings("easy", 6000, 3000, 1)
    assert test == [entry for entry in plan_sample(independent) if entry.split == "test"]


def test_splits_share_no_actor_and_no_background_and_actions_are_balanced() -> None:
    entries = plan_sample(SampleSettings("hard", 403, 125, 2))
    train, test = ([e for e in entries if e.split == split] for split in ("train", "test"))
    assert (len(train), len(test)) == (403, 125)
    assert {e.actor for e in train}.isdisjoint(e.actor for e in test)
    assert {e.background for e in train}.isdisjoint(e.background for e in test)
    for part in (train, test):
        counts = Counter(e.label for e in part)
        assert set(counts) == set(ACTIONS)
        assert max(counts.values()) - min(counts.values()) <= 1
        neighbours = [a.label == b.label for a, b in pairwise(part)]
        assert np.mean(neighbours) < 0.25  # shuffled: one in ten by chance
