"""Read NumPy archives that anybody may have written, within the size of their file."""

import io
import math
import os
import zipfile
from typing import IO, cast

import numpy as np


def read_arrays(file: io.IOBase, *names: str) -> list[np.ndarray]:
    """Return arrays of an uncompressed NumPy archive, as `numpy.savez` writes it.

    An array takes no more memory than the file has bytes, whatever its header says.

    Args:
        file: The archive, at any position.
        names: Names of the arrays.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is something else, is damaged, or lacks an array.
    """
    try:
        size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(cast("IO[bytes]", file)) as archive:
            return [_read_array(archive, f"{name}.npy", size) for name in names]
    except (OSError, ValueError):
        raise
    except Exception as error:  # zipfile lets any kind of error out of a damaged file
        raise ValueError(str(error) or type(error).__name__) from error


def _read_array(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    entry = archive.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
        raise ValueError(f"{name} is compressed, or larger than the file")
    form = np.lib.format
    with archive.open(entry) as stream:
        version = form.read_magic(stream)
        read_header = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"{name} has version {version}")
        shape, _, dtype = read_header[version](stream)
        length = entry.file_size - stream.tell()
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != length:
            raise ValueError(f"{name} has {length} bytes for {dtype} of shape {shape}")
        stream.seek(0)
        return form.read_array(stream, allow_pickle=False)
