"""What a decoder may do to the process that it runs in; imported there, so it imports little."""

import time


def never_ends(*_: object, **__: object) -> bytes:
    """Take longer than any limit."""
    time.sleep(600)
    return b""


def takes_all_memory(*_: object, **__: object) -> bytes:
    """Allocate more than any limit."""
    return bytes(bytearray(64 << 30))
