"""Names of files and folders that every system can hold, made from any text."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_BYTES = 100
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def safe_name(text: str, *, max_bytes: int = MAX_BYTES) -> str:
    """Return a text as the name of a file or folder.

    Characters that Windows forbids, and those that are not printable, become ``_``. So do dots and
    blanks at the end and a dot or a tilde at the start. A reserved name of Windows gets a ``_``. A
    long name is cut.

    Example:
        >>> safe_name("up/down"), safe_name("CON"), safe_name("..")
        ('up_down', 'CON_', '__')
    """
    name = unicodedata.normalize("NFC", text)
    name = "".join(character if character.isprintable() else "_" for character in name)
    name = _FORBIDDEN.sub("_", name)
    name = name.encode(errors="replace")[:max_bytes].decode(errors="ignore")
    end = len(name.rstrip(". "))
    name = name[:end] + "_" * (len(name) - end)
    name = re.sub(r"^[.~]", "_", name)
    return f"{name}_" if not name or _RESERVED.fullmatch(name) else name


def distinct_names(texts: Iterable[str], *, max_bytes: int = MAX_BYTES) -> dict[str, str]:
    """Return a safe name for each text, all of them different also where case does not count.

    Of texts whose names would be equal, one keeps the name: the one that is not changed, or else
    the first. The others get a dash and eight digits of their digest.

    Example:
        >>> distinct_names(["up/down", "up_down"])
        {'up_down': 'up_down', 'up/down': 'up_down-b9fc1dd4'}
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    room = max_bytes - 9
    for text in sorted(set(texts), key=lambda text: (safe_name(text) != text, text)):
        name = safe_name(text, max_bytes=max_bytes)
        if name.casefold() in taken:
            digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]
            name = f"{safe_name(text, max_bytes=room)}-{digest}"
        taken.add(name.casefold())
        names[text] = name
    return names
