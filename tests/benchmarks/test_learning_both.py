"""*both*: five classes that only the scene tells, five that only the motion tells."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from learning.both import (
    CLASS_ACTIONS,
    LABELS,
    OTHER_ACTIONS,
    SCENE_LABELS,
    draw_content,
    write_both,
)
from slic.errors import CatalogError
from slic.videos.catalog import Catalog

rng = np.random.default_rng(0)
CONTENTS = [(label, draw_content(label, rng)) for label in LABELS for _ in range(400)]


def counts(pairs: Sequence[tuple[object, object]]) -> np.ndarray:
    """Return how often each first value comes with each second value."""
    rows, columns = (sorted({str(pair[k]) for pair in pairs}) for k in (0, 1))
    table = np.zeros((len(rows), len(columns)))
    for row, column in pairs:
        table[rows.index(str(row)), columns.index(str(column))] += 1
    return table


def test_no_video_belongs_to_two_classes() -> None:
    for label, content in CONTENTS:
        if content.scene is not None and content.scene < len(SCENE_LABELS):
            assert label == SCENE_LABELS[content.scene]
            assert content.action in OTHER_ACTIONS
        else:
            assert label == content.action
            assert content.action in CLASS_ACTIONS


def test_within_each_half_the_other_cue_says_nothing() -> None:
    by_action = [(label, c.action) for label, c in CONTENTS if label in SCENE_LABELS]
    by_scene = [(label, c.scene) for label, c in CONTENTS if label in CLASS_ACTIONS]
    by_level = [(label, c.level) for label, c in CONTENTS]
    for table in (counts(by_action), counts(by_scene), counts(by_level)):
        assert chi2_contingency(table).pvalue > 1e-3


def test_backgrounds_and_people_of_the_test_part_are_unseen() -> None:
    for number in ("background", "actor"):
        seen = [getattr(content, number) for _, content in CONTENTS]
        assert len(set(seen)) == len(seen)


@pytest.mark.slow
def test_a_set_depends_on_its_seed_and_is_never_mixed(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("other", 3), ("third", 4)):
        write_both(tmp_path / name, train=2, test=1, seed=seed)
    one, other, third = (
        [file.read_bytes() for file in sorted((tmp_path / name).glob("*/*"))]
        for name in ("one", "other", "third")
    )
    assert one == other
    assert not set(one) & set(third)
    assert len(Catalog.from_folder(tmp_path / "one")) == 3
    with pytest.raises(CatalogError, match="holds another set"):
        write_both(tmp_path / "one", train=2, test=1, seed=4)


def test_labels_are_balanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict[str, str]] = []
    monkeypatch.setattr(
        "learning.both.write_set", lambda _, plan, **__: rows.extend(one.row for one in plan)
    )
    write_both(tmp_path, train=40, test=20, seed=0)
    found = Counter((row["split"], row["label"]) for row in rows)
    assert found == {("train", k): 4 for k in LABELS} | {("test", k): 2 for k in LABELS}
