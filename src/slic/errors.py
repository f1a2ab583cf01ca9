"""The errors a user can mend; the command prints each as one line and exits with 1."""


class SlicError(Exception):
    """Something the user can mend: the message names the thing, the value and the way out."""


class VideoError(SlicError):
    """A file that is no video, or whose frames do not decode."""


class CatalogError(SlicError):
    """A collection of videos that cannot be used: empty, missing, or mostly unreadable."""


class RecipeError(SlicError):
    """A setting that does not exist or has an impossible value."""


class CheckpointError(SlicError):
    """Weights or a run folder that do not fit, are damaged, or cannot be written."""


class TrainingError(SlicError):
    """A run that cannot go on: losses that are not finite, or a collapsed encoder."""


class SearchError(SlicError):
    """An index, a filter or a query that cannot be used, or an index that does not fit."""
