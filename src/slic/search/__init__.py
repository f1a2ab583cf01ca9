"""Search a video collection by example, browse it as clusters, and label what is in it.

An index is a folder. Its SQLite database has all that is known: the videos, their moments with one
embedding each, clusters and labels. It changes in transactions. The vector store beside it finds
the nearest embeddings, and can be made again from the database at any time.
"""

from slic.search.calibration import (
    MomentSample,
    SimilarityScale,
    sample_moments,
    similarity_scale,
)
from slic.search.classifier import (
    LeaveOneOutScores,
    MomentClassifier,
    Prediction,
    given_labels,
    spread_labels,
)
from slic.search.classifying import (
    PredictedSegment,
    VideoPrediction,
    classify_index,
    classify_videos,
)
from slic.search.cluster_changes import (
    ClusterChange,
    merge_clusters,
    move_moments,
    split_cluster,
    undo_cluster_change,
)
from slic.search.clusters import (
    Cluster,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    label_cluster,
    list_clusters,
    outliers,
    set_level,
)
from slic.search.creation import create_index, index_settings
from slic.search.cutting import CutReport, cut_clips
from slic.search.duplicates import (
    Duplicate,
    Survey,
    isolated_moments,
    near_duplicates,
    survey_moments,
)
from slic.search.index import Index
from slic.search.indexing import IndexReport, update_index
from slic.search.label_files import LABEL_FILES, ImportedLabels, export_labels, import_labels
from slic.search.label_queue import LabelQueue
from slic.search.labels import (
    LabelChange,
    labels_of_moments,
    list_labels,
    set_label,
    undo_label_change,
)
from slic.search.query import (
    Query,
    query_from_clip,
    query_from_moments,
    query_from_text,
    query_from_video,
    refine,
)
from slic.search.repository.labels import Label
from slic.search.repository.moments import Moment
from slic.search.repository.videos import IndexedVideo
from slic.search.results import Hit, search
from slic.search.text_ranking import rank_by_text
from slic.search.weighting import (
    choose_weights,
    choose_weights_by_labels,
    weights_from_labels,
    weights_from_likes,
)
from slic.search.zero_shot import TextClassifier, read_class_names

__all__ = [
    "LABEL_FILES",
    "Cluster",
    "ClusterChange",
    "CutReport",
    "Duplicate",
    "Hit",
    "ImportedLabels",
    "Index",
    "IndexReport",
    "IndexedVideo",
    "Label",
    "LabelChange",
    "LabelQueue",
    "LeaveOneOutScores",
    "Moment",
    "MomentClassifier",
    "MomentSample",
    "PredictedSegment",
    "Prediction",
    "Query",
    "SimilarityScale",
    "Survey",
    "TextClassifier",
    "VideoPrediction",
    "choose_weights",
    "choose_weights_by_labels",
    "classify_index",
    "classify_videos",
    "cluster_index",
    "cluster_members",
    "cluster_of",
    "clusters_per_level",
    "create_index",
    "cut_clips",
    "export_labels",
    "given_labels",
    "import_labels",
    "index_settings",
    "isolated_moments",
    "label_cluster",
    "labels_of_moments",
    "list_clusters",
    "list_labels",
    "merge_clusters",
    "move_moments",
    "near_duplicates",
    "outliers",
    "query_from_clip",
    "query_from_moments",
    "query_from_text",
    "query_from_video",
    "rank_by_text",
    "read_class_names",
    "refine",
    "sample_moments",
    "search",
    "set_label",
    "set_level",
    "similarity_scale",
    "split_cluster",
    "spread_labels",
    "survey_moments",
    "undo_cluster_change",
    "undo_label_change",
    "update_index",
    "weights_from_labels",
    "weights_from_likes",
]
