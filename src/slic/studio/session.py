"""The temporary folder of a running studio, and what killed ones left behind."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # on Windows, folders of killed studios stay
    fcntl = None  # type: ignore[assignment]

PREFIX: Final = "slic-studio-"
_LOCK_NAME: Final = "in-use"


class SessionFolder:
    """A folder that only the user may read. It is deleted at the end.

    If the studio is killed, the next one deletes it: a lock tells whether a folder is in use.

    Args:
        parent: Where to make it; None for the system's folder of temporary files.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        delete_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = (self.path / "new").open("xb")
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            (self.path / "new").rename(self.path / _LOCK_NAME)  # others see it locked only

    def close(self) -> None:
        """Delete the folder and all that is in it."""
        self._lock.close()
        shutil.rmtree(self.path, ignore_errors=True)


def delete_abandoned(parent: Path) -> None:
    """Delete the folders of studios that were killed; what cannot be deleted stays."""
    if fcntl is None:
        return
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK_NAME).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: it is in use
                shutil.rmtree(folder, ignore_errors=True)
