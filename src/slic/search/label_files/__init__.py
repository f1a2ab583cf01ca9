"""Files of labels, of this package and of labelling tools: writing, recognising and reading."""

from slic.search.label_files.base import IndexLabels, LabelFile, LabelledVideo, LabelRow
from slic.search.label_files.exporting import export_labels
from slic.search.label_files.importing import ImportedLabels, import_labels
from slic.search.label_files.table import LABEL_FILES

__all__ = [
    "LABEL_FILES",
    "ImportedLabels",
    "IndexLabels",
    "LabelFile",
    "LabelRow",
    "LabelledVideo",
    "export_labels",
    "import_labels",
]
