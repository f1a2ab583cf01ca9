"""The files of a model: a hub id or a local folder. Nothing in them is executed."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slic.arguments import one_line
from slic.errors import CheckpointError
from slic.files import read_json_object, reason_of
from slic.lookup import require_extra

EXTRA = "transformers"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PROCESSOR_FILES = (
    "processor_config.json",
    "video_preprocessor_config.json",
    "preprocessor_config.json",
)
_LEFT_OUT = {  # says nothing about the network, or changes with the version of the library
    "_name_or_path", "architectures", "auto_map", "dtype", "id2label", "label2id", "torch_dtype",
    "transformers_version",
}  # fmt: skip


def load_library(model: str) -> Any:
    """Import the transformers library.

    Raises:
        SlicError: It is not installed.
    """
    return require_extra("transformers", EXTRA, purpose=f"The backbone 'transformers/{model}'")


@contextmanager
def quiet(library: Any) -> Iterator[None]:
    """Silence the library, whose reports of what does not fit are raised as errors here."""
    logging = library.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def find_file(model: str, name: str, *, required: bool = False) -> Path | None:
    """Return the path of a file of a model; None if the model has no such file.

    Args:
        model: Hub id or folder.
        name: Name of the file.
        required: Raise if the hub does not have it, or it is not in the cache while offline.

    Raises:
        CheckpointError: The folder does not exist, or the hub cannot be reached.
    """
    folder = Path(model)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    if not _HUB_ID.fullmatch(model):
        raise CheckpointError(
            f"{model}: there is no such folder, and it is no hub id (owner/name)."
        )
    cached_file = load_library(model).utils.cached_file
    try:
        found = cached_file(model, name, _raise_exceptions_for_missing_entries=required)
    except OSError as error:
        reason = one_line(error).split(". ")[0]
        raise CheckpointError(
            f"{model}: {name} cannot be fetched from the hub ({reason}). There is no folder of "
            "this name either; check the name, or copy the model to a folder and name that."
        ) from error
    return Path(found) if found else None


def read_config(model: str) -> dict[str, Any]:
    """Return the configuration of a model, as in its ``config.json``.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    path = find_file(model, "config.json", required=True)
    if path is None:
        raise CheckpointError(
            f"{model}: there is no config.json; name a hub id, or a folder that transformers saved."
        )
    return _read_json(path)


def architecture_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that describes the network, without class names."""
    return {
        key: architecture_of(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in _LEFT_OUT
    }


def read_processor(model: str) -> dict[str, Any]:
    """Return the settings of the processor of a model: sizes, mean and standard deviation.

    Raises:
        CheckpointError: The model has no processor file, or it is damaged.
    """
    for name in _PROCESSOR_FILES:
        if (path := find_file(model, name)) is not None:
            values = _read_json(path)
            for key in ("video_processor", "image_processor"):
                if isinstance(values.get(key), dict):
                    return dict(values[key])
            if "size" in values or "image_mean" in values:
                return values
    raise CheckpointError(
        f"{model}: none of {', '.join(_PROCESSOR_FILES)} is there, so the frame size and the "
        "normalisation are unknown; copy the file of the original model into the folder."
    )


def load_tokenizer(folder: str) -> Any:
    """Return the tokenizer of a model.

    Raises:
        CheckpointError: Its files are missing or damaged.
    """
    library = load_library(folder)
    try:
        with quiet(library):
            return library.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # as for weights
        raise CheckpointError(
            f"{folder}: the tokenizer cannot be read ({one_line(error)[:200]}); texts need its "
            "files, such as tokenizer.json and tokenizer_config.json."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({reason_of(error)}).") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON ({error}).") from error
