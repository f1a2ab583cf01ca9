"""Labels of moments: setting, removing, listing, and undoing.

A label is a class name that a person gave, or that was spread to similar moments. It is kept for a
segment (a content and a time range), see `slic.search.repository.labels`.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from slic.errors import LabelError
from slic.search.index import Index
from slic.search.repository import labels as label_table
from slic.search.repository.labels import Label, LabelValue, Segment
from slic.search.repository.moments import ROWS_PER_QUERY

MAX_LABEL_CHARACTERS = 200
# Zero-width non-joiner and joiner: not printable, but part of words and of emoji.
_JOINERS = dict.fromkeys((0x200C, 0x200D))


class LabelChange(NamedTuple):
    """A change of labels.

    Attributes:
        moments: Number of moments or segments that got or lost a label.
        id: What `undo_label_change` takes.
    """

    moments: int
    id: int


def set_label(index: Index, moment_ids: Sequence[int], label: str | None) -> LabelChange:
    """Set the label of moments, or remove their labels (None).

    Args:
        index: The index.
        moment_ids: The moments; repeated ids count once.
        label: The class name, see `clean_label`; None removes.

    Raises:
        SearchError: There is no moment with one of these ids.
        LabelError: The label is empty, too long or not printable.

    Example:
        >>> set_label(index, [1, 2], "wave")
        LabelChange(moments=2, id=1764421231000000)
    """
    segments = segments_of(index, list(dict.fromkeys(moment_ids)))
    if label is not None:
        value = LabelValue(clean_label(label), 1.0, "given")
        return write_labels(index, [(segment, value) for segment in segments])
    with index.database.transaction() as connection:
        change_id = label_table.next_change_id(connection)
        covering = [
            label_table.select_covering_segments(connection, segment) for segment in segments
        ]
        for segment in dict.fromkeys(chain.from_iterable(covering)):
            label_table.change_label(connection, change_id, segment, None)
    return LabelChange(sum(map(bool, covering)), change_id)


def undo_label_change(index: Index, *, change_id: int | None = None) -> int:
    """Undo the last change of labels: a setting, a removal, a spread or an import.

    Args:
        index: The index.
        change_id: Undo only if the last change is this one; None undoes whichever it is.

    Returns:
        The number of segments that the change had changed; 0 if there is nothing to undo.

    Raises:
        LabelError: The last change is another one.
    """
    with index.database.transaction() as connection:
        last = label_table.last_change_id(connection)
        if change_id not in (None, last):
            raise LabelError("Labels have changed since; only the last change can be undone.")
        return label_table.revert_change(connection, last)


def list_labels(index: Index) -> list[Label]:
    """Return all labelled segments in the order of path and time.

    Labels whose content no video of the index has are listed too, first and without a path.
    """
    return index.database.read(label_table.select_labels)


def labels_of_moments(index: Index) -> dict[int, LabelValue]:
    """Return the label of every moment that has one, by moment id.

    A moment has the label of the nearest segment that covers enough of it, see
    `slic.search.repository.labels`.
    """
    return index.database.read(label_table.select_labels_of_moments)


def write_labels(
    index: Index,
    labels: Sequence[tuple[Segment, LabelValue]],
    *,
    replace_spread: bool = False,
    remove: Iterable[Segment] = (),
) -> LabelChange:
    """Write labels as one change, which `undo_label_change` undoes.

    Args:
        index: The index.
        labels: Segments and their labels.
        replace_spread: First remove all labels that were spread before.
        remove: Segments whose labels are removed first.

    Raises:
        LabelError: A label is empty, too long or not printable; nothing was written.
    """
    with index.database.transaction() as connection:
        change_id = label_table.next_change_id(connection)
        if replace_spread:
            for segment in label_table.select_spread_segments(connection):
                label_table.change_label(connection, change_id, segment, None)
        for segment in remove:
            label_table.change_label(connection, change_id, segment, None)
        for segment, value in labels:
            cleaned = value._replace(label=clean_label(value.label))
            label_table.change_label(connection, change_id, segment, cleaned)
    return LabelChange(len(labels), change_id)


def clean_label(label: str) -> str:
    """Return a label without surrounding space, and with single spaces inside.

    Raises:
        LabelError: It is empty, longer than `MAX_LABEL_CHARACTERS`, or not printable.
    """
    label = " ".join(label.split())
    visible = label.translate(_JOINERS)
    if not visible or len(label) > MAX_LABEL_CHARACTERS or not visible.isprintable():
        raise LabelError(
            f"label {label[:40]!r}: a label has 1 to {MAX_LABEL_CHARACTERS} printable characters."
        )
    return label


def segments_of(index: Index, moment_ids: Sequence[int]) -> list[Segment]:
    """Return the segments of moments, in the order of their ids.

    Raises:
        SearchError: There is no moment with one of these ids.
    """
    moments = index.moments(moment_ids)
    videos = {moment.video_id for moment in moments}
    few = videos if len(videos) <= ROWS_PER_QUERY else None
    content = {video.id: video.content_id for video in index.videos(few)}
    return [Segment(content[m.video_id], m.start_seconds, m.end_seconds) for m in moments]
