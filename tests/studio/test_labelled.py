"""Verdicts by leave-one-out belong to the labels that were read."""

import pytest

from slic.search import given_labels, set_label
from slic.search.index import Index
from slic.studio import labelled
from slic.studio.labelled import count_verdicts, labelled_moments
from slic.studio.state import Studio


def test_labels_that_are_set_meanwhile_do_not_mix_in(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = studio.index.ids().tolist()
    set_label(studio.index, ids[:3], "walk")

    def read_while_another_sets(index: Index) -> dict[int, str]:
        found = given_labels(index)
        set_label(index, ids[3:9], "run")
        return found

    monkeypatch.setattr(labelled, "given_labels", read_while_another_sets)
    found = labelled_moments(studio)
    assert found.classifier is not None
    assert found.classifier.labels == ["walk"]
    counts = count_verdicts(found)
    assert counts["labelled"] == counts["checked"] == 3
    assert {checked.moment for checked in found.check()} == {*ids[:3]}


def test_of_many_labels_a_sample_is_checked(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "MAX_CHECKED", 4)
    set_label(studio.index, studio.index.ids()[:9].tolist(), "walk")
    counts = count_verdicts(labelled_moments(studio))
    assert (counts["labelled"], counts["checked"]) == (9, 4)
    assert counts["right"] + counts["wrong"] + counts["unknown"] == 4
