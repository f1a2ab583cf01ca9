"""Ground truth: the label and the split of each video."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from slic.errors import LabelError


@dataclass(frozen=True)
class Labels:
    """Label and split of each video.

    The keys of both mappings are video ids, as ``Catalog`` assigns them: the path relative to the
    folder of videos with forward slashes, or the absolute path of a listed video outside it.
    A video that a list names but that is not on disk keeps the name from the list.

    Attributes:
        label: Class name by video id.
        split: ``"train"``, ``"val"``, ``"test"`` or a user's own word by video id; empty if the
            source has no splits.

    Example:
        >>> labels = Labels({"a.mp4": "walk", "b.mp4": "run"}, {"a.mp4": "train"})
        >>> labels.labels_of(labels.ids("train"))
        ['walk']
    """

    label: Mapping[str, str]
    split: Mapping[str, str]

    def labels_of(self, ids: Iterable[str]) -> list[str]:
        """Return the labels of some videos, in the order of ``ids``.

        Raises:
            LabelError: A video has no label.
        """
        wanted = list(ids)
        missing = [video_id for video_id in wanted if video_id not in self.label]
        if missing:
            raise LabelError(
                f"{len(missing)} of {len(wanted)} videos have no label, the first is "
                f"{missing[0]!r}. Add them to the labels or leave them out."
            )
        return [self.label[video_id] for video_id in wanted]

    def ids(self, split: str) -> tuple[str, ...]:
        """Return the ids of the videos in one split, in the order of the source.

        Raises:
            LabelError: No video is in this split.
        """
        chosen = tuple(video_id for video_id, name in self.split.items() if name == split)
        if not chosen:
            known = ", ".join(sorted(set(self.split.values()))) or "none: no column 'split'"
            raise LabelError(f"no video is in split {split!r}; splits in the file: {known}.")
        return chosen

    def describe_mismatch(self, ids: Collection[str]) -> str | None:
        """Describe in one line how labels and videos differ.

        Args:
            ids: Ids of the videos that can be read.

        Returns:
            The number of labelled videos that are not in ``ids`` and of videos without a label,
            each with an example; None if labels and videos cover each other.
        """
        present = set(ids)
        facts = []
        if absent := [video_id for video_id in self.label if video_id not in present]:
            facts.append(self._describe_absent(absent, present))
        if unlabelled := [video_id for video_id in ids if video_id not in self.label]:
            facts.append(
                f"{len(unlabelled)} of {len(ids)} videos have no label and are ignored, "
                f"the first is {unlabelled[0]!r}"
            )
        return "; ".join(facts) + "." if facts else None

    def _describe_absent(self, absent: list[str], present: set[str]) -> str:
        """Count the labelled videos that are absent and name classes that are absent as a whole."""
        classes = {self.label[video_id] for video_id in present & self.label.keys()}
        absent_classes = sorted({self.label[video_id] for video_id in absent} - classes)
        return (
            f"{len(absent)} of {len(self.label)} listed videos are missing or unreadable, "
            f"the first is {absent[0]!r}"
            + (f", and all of {_some(absent_classes)}" if absent_classes else "")
        )


def _some(names: list[str], most: int = 5) -> str:
    """Join the first names and count the others."""
    more = f" and {len(names) - most} more classes" if len(names) > most else ""
    return ", ".join(names[:most]) + more
