"""Files that a sealed manifest lists: opened again once it was replaced, given up once damaged."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from slic.sealed import DamagedFileError, OtherVersionError, Seal, read_sealed, sealing
from slic.search.stores.disk_files import file_mark

OpenT = TypeVar("OpenT")
_log = logging.getLogger("slic")


class ManifestFiles(Generic[OpenT]):
    """The files of a manifest, which another process may replace. Several threads may use it.

    Args:
        folder: Folder of the files and of the manifest.
        seal: Seal of the manifest.
        open_files: Opens the files, given the content of the manifest. It raises a
            `DamagedFileError` or an ``OSError`` if they cannot be used.

    Attributes:
        folder: The folder.
        lock: Held while the files are opened, given up or written.
        opened: What was opened. None if there is nothing, or it must be made again.
    """

    def __init__(self, folder: Path, seal: Seal, open_files: Callable[[bytes], OpenT]) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.opened: OpenT | None = None
        self._manifest = folder / "manifest"
        self._seal, self._open_files = seal, open_files
        self._seen: tuple[int, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        """Take over what another process has written."""
        with self.lock:
            if (seen := file_mark(self._manifest)) == self._seen:
                return
            self.opened, self._seen = None, seen
            if not seen:
                return
            try:
                self.opened = self._open_files(read_sealed(self._manifest, self._seal))
            except (DamagedFileError, OtherVersionError, OSError) as error:
                self.discard(error)

    def discard(self, error: Exception) -> None:
        """Use the files no more, and say why."""
        reason = " ".join(str(error).split())[:200]
        _log.warning("%s: cannot be used (%s); it is made again", self.folder, reason)
        with self.lock:
            self.opened = None
            with suppress(OSError):
                self._manifest.unlink()
            self._seen = file_mark(self._manifest)

    def publish(self, content: bytes) -> None:
        """Write the manifest of files that are complete, and open them.

        Raises:
            WriteError: The disk is full or failing.
        """
        with sealing(self._manifest, self._seal) as stream:
            stream.write(content)
        self.refresh()

    def close(self) -> None:
        """Close the files; what was read stays valid."""
        with self.lock:
            self.opened, self._seen = None, ()
