"""Errors that a user can fix. The command prints each as one line and exits with code 1."""


class SlicError(Exception):
    """Base class of all errors that a user can fix.

    The message names the thing, the value and the way out.
    """


class VideoError(SlicError):
    """A file is not a video, or its frames cannot be decoded."""


def is_file_system_error(error: VideoError) -> bool:
    """Return whether the file system refused a file, so that a retry may help."""
    return isinstance(error.__cause__, OSError)


class CatalogError(SlicError):
    """A set of videos cannot be used: it is missing, empty, or mostly unreadable."""


class RecipeError(SlicError):
    """A setting does not exist or has an impossible value."""


class CheckpointError(SlicError):
    """Weights or a run folder are missing, damaged, or do not fit."""


class FormatError(SlicError):
    """A file has another format, or another version of it, than this package reads."""


class WriteError(SlicError):
    """A file or folder cannot be written."""


class LabelError(SlicError):
    """Labels are missing, contradictory, or do not fit the videos."""


class EmbeddingsError(SlicError):
    """Embeddings are not finite, or their file is missing, damaged, or does not fit."""


class ProtocolError(SlicError):
    """An evaluation protocol does not exist or does not fit the encoder."""


class TrainingError(SlicError):
    """A run cannot go on: its losses are not finite, or its embeddings cannot be clustered."""


class ProcessError(SlicError):
    """The processes of a run do not meet, or one of them has ended before the others."""


class SearchError(SlicError):
    """An index, a filter or a query cannot be used."""


class EngineError(SlicError):
    """An engine cannot be used, or cannot go on: no cluster, a lost process, a folder not seen."""
