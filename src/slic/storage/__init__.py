"""Files in object storage and at web addresses: listing, byte ranges, retries, a local cache.

A `RemotePath` stands where a path stands. Reading one gives the bytes of one version of the object,
never a mixture. What goes wrong is an ``OSError``, as it is for a file on a disk.
"""

from slic.storage.addresses import is_address
from slic.storage.fetching import fetch, look_up, reading_through, set_limits, traffic
from slic.storage.locations import RemotePath, id_and_path, in_folder, list_folder, location, pinned
from slic.storage.range_file import RangeFile
from slic.storage.retries import Limits
from slic.storage.states import ObjectState, content_key

__all__ = [
    "Limits",
    "ObjectState",
    "RangeFile",
    "RemotePath",
    "content_key",
    "fetch",
    "id_and_path",
    "in_folder",
    "is_address",
    "list_folder",
    "location",
    "look_up",
    "pinned",
    "reading_through",
    "set_limits",
    "traffic",
]
