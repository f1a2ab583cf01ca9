"""Read a Parquet file of videos, one row for each, in memory that its size bounds."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

MAX_GROWTH: Final = 64  # unpacked bytes for each byte of the file; Snappy has about 20
_SPARE_BYTES: Final = 1 << 20


def read_rows(file: Any, size: int, columns: Sequence[str]) -> pa.Table:
    """Return some columns of a Parquet file.

    Args:
        file: The open file.
        size: Its length in bytes. No row takes less than one.
        columns: Names of the columns.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no Parquet file, is damaged, lacks a column, or would grow without bound.
    """
    try:
        with pq.ParquetFile(file) as table:
            about = table.metadata
            there = table.schema_arrow.names
            if missing := [name for name in columns if there.count(name) != 1]:
                raise ValueError(
                    f"no column {missing[0]!r}; columns there: {', '.join(there) or 'none'}"
                )
            groups = [about.row_group(number) for number in range(about.num_row_groups)]
            grown = sum(max(0, group.total_byte_size) for group in groups)
            if about.num_rows > size or grown > MAX_GROWTH * size + _SPARE_BYTES:
                raise ValueError(f"{about.num_rows} rows in {size} bytes")
            read = table.read(columns=list(columns), use_threads=False)
            read.validate(full=True)
            return read
    except pa.ArrowException as error:
        raise ValueError(str(error).split("\n")[0]) from error
