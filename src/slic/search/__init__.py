"""Search a collection by example, browse it as clusters, and name what is in it.

An index is a folder. Its SQLite database is the only truth: videos, their moments with one
embedding each, clusters and names, changed in transactions. The vector store beside it answers
"which are nearest" and can be made anew from the database at any time.
"""

from slic.search.classifier import Check, Classifier, Prediction, spread_names
from slic.search.classifying import NamedStretch, VideoVerdict, classify_videos
from slic.search.cluster_edits import merge, move, name_cluster
from slic.search.clusters import (
    Cluster,
    cluster_index,
    cluster_members,
    cluster_of,
    clusters_per_level,
    list_clusters,
    outliers,
    show_level,
)
from slic.search.duplicates import Duplicate, near_duplicates
from slic.search.exports import export_names, import_names
from slic.search.index import Index, IndexedVideo, Moment
from slic.search.indexing import IndexReport, create_index, index_settings, update_index
from slic.search.labels import Name, Naming, assign_name, list_names, names_of_moments, undo
from slic.search.query import (
    Query,
    query_from_clip,
    query_from_moments,
    query_from_video,
    refine,
)
from slic.search.results import Hit, search

__all__ = [
    "Check",
    "Classifier",
    "Cluster",
    "Duplicate",
    "Hit",
    "Index",
    "IndexReport",
    "IndexedVideo",
    "Moment",
    "Name",
    "NamedStretch",
    "Naming",
    "Prediction",
    "Query",
    "VideoVerdict",
    "assign_name",
    "classify_videos",
    "cluster_index",
    "cluster_members",
    "cluster_of",
    "clusters_per_level",
    "create_index",
    "export_names",
    "import_names",
    "index_settings",
    "list_clusters",
    "list_names",
    "merge",
    "move",
    "name_cluster",
    "names_of_moments",
    "near_duplicates",
    "outliers",
    "query_from_clip",
    "query_from_moments",
    "query_from_video",
    "refine",
    "search",
    "show_level",
    "spread_names",
    "undo",
    "update_index",
]
