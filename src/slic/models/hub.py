"""The Hugging Face Hub: encoders that others share, and that you share.

`VideoEncoder` uses these functions, not the library's ``ModelHubMixin``. The mixin reads and
converts ``config.json`` before it hands over, so a damaged file would raise errors of any kind; it
takes a missing folder for a repository; it deletes ``config.json`` before it writes the new one;
and it puts a card of its own into every folder that is saved.
"""

import re
from pathlib import Path
from typing import Any, Final

from slic.errors import CheckpointError, WriteError

ENCODER_FILES: Final = ("*.json", "*.safetensors", "*.txt", "*.model")
"""Files of a repository that are downloaded: configuration, weights, vocabularies; no code."""

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def is_hub_id(source: str | Path) -> bool:
    """Return whether a source has the form ``org/name`` and is no path on this machine.

    A path whose folder exists is a local one that was mistyped.
    """
    path = Path(source)
    named = isinstance(source, str) and _HUB_ID.fullmatch(source) is not None
    return named and not path.exists() and not path.parent.exists()


def download_encoder(
    repo_id: str, *, revision: str | None = None, token: str | None = None
) -> Path:
    """Return the folder of an encoder of the Hub, from the library's cache where it is there.

    Args:
        repo_id: ``org/name``.
        revision: Branch, tag or commit; None is the latest of ``main``.
        token: Access token; None takes the one of ``hf auth login``.

    Raises:
        CheckpointError: There is no such repository or revision, or the Hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repo_id, revision=revision, token=token, allow_patterns=list(ENCODER_FILES)
        )
    except Exception as error:  # of the library, of its HTTP client, of the disk
        at = f" at {revision}" if revision else ""
        raise CheckpointError(
            f"{repo_id}: there is no such folder, and it cannot be read from the Hub{at} "
            f"({_first_line(error)})."
        ) from error
    return Path(found)


def upload_folder(
    folder: Path,
    repo_id: str,
    *,
    revision: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    message: str,
) -> str:
    """Upload a folder to a repository of models, which is created if it does not exist.

    Args:
        folder: The files.
        repo_id: ``org/name``.
        revision: Branch to write to; None is ``main``.
        private: Whether a new repository is private; None leaves that to the organisation.
        token: Access token; None takes the one of ``hf auth login``.
        message: Of the commit.

    Returns:
        The address of the commit.

    Raises:
        WriteError: The Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        created = api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(created.repo_id, branch=revision, exist_ok=True)
        commit: Any = api.upload_folder(
            repo_id=created.repo_id, folder_path=folder, revision=revision, commit_message=message
        )
    except Exception as error:  # of the library, of its HTTP client
        raise WriteError(
            f"{repo_id}: cannot be written on the Hub ({_first_line(error)}). "
            "Log in with `hf auth login`, with a token that may write."
        ) from error
    return str(commit.commit_url)


def _first_line(error: Exception) -> str:
    """Return the first line of an error's message, without a full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
