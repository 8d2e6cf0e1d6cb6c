"""Parquet files, streamed batch by batch."""

from __future__ import annotations

from pathlib import Path

from evalsuite.data.columns import header_names
from evalsuite.data.delimited import header_problems, named_values
from evalsuite.data.records import Record, RecordStream
from evalsuite.errors import InputError, Problem

BUFFER_BYTES = 1 << 20
"""Of each column; without it a whole row group, often the file, is read at once."""
BATCH_ROWS = 1024


def read_parquet(path: Path, _lenient: bool) -> RecordStream:
    """Yield the rows of a Parquet file. Raises `InputError` without pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow; run: pip install 'evalsuite[parquet]'"
        ) from error
    file = str(path)
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER_BYTES) as table:
            columns = header_names(table.schema_arrow.names)
            yield from header_problems(file, 1, columns)
            row = 0
            for batch in table.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    yield Record(file, row, named_values(columns, values))
    except (pa.ArrowException, OSError) as error:
        yield Problem(file, 0, f"not a readable Parquet file ({error})", "Parquet")
