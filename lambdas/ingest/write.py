"""Writing a run: places/, train/ and, last, run.json."""

from typing import TYPE_CHECKING, Final

import numpy as np

from geoclusters import layout, places
from geoclusters.geodesy import GEOMETRIES
from geoclusters.hyperparameters import first_shard_rows
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.tables.reader import Chunk, Table
from geoclusters.training_set import Shard, TrainingSet
from lambdas.ingest.check import check_rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Rows of one part of places/: 24 MiB.
PLACES_ROWS: Final = 1024 * 1024


def write_run(
    table: Table,
    upload: Upload,
    parameters: Parameters,
    *,
    created_at: str,
    most_left_out_percent: int,
    s3: "S3Client",
    places_rows: int = PLACES_ROWS,
) -> RunRecord:
    """Write what a run needs into the data bucket; return its record.

    The record is written last: where it stands, the rest stands too.

    Raises
    ------
    TableError
        If the table has too few usable rows, or too many.
    """
    geometry = GEOMETRIES[parameters.geometry]
    training_set = TrainingSet(
        geometry,
        first_shard_rows=first_shard_rows(parameters.k),
        seed=int(upload.run_id, 16),
    )
    writer = _Writer(s3, upload, places_rows)
    for chunk in table.chunks():
        writer.add_chunk(chunk)
        for shard in training_set.add(chunk.latitude, chunk.longitude):
            writer.put_shard(shard)
    check_rows(
        table.left_out,
        read=writer.rows_read,
        k=parameters.k,
        most_left_out_percent=most_left_out_percent,
    )
    for shard in training_set.finish():
        writer.put_shard(shard)
    writer.put_rest_of_places()
    if table.left_out.rows:
        writer.put(layout.rejected_key(upload.run_id), table.left_out.to_csv())
    record = RunRecord(
        upload=upload,
        k=parameters.k,
        geometry=geometry.name,
        latitude_column=table.columns.latitude_name,
        longitude_column=table.columns.longitude_name,
        table=table.detected,
        rows_read=writer.rows_read,
        rows_usable=writer.rows_usable,
        left_out=table.left_out.summary(),
        centre=training_set.centre,
        places_parts=writer.places_parts,
        train_parts=training_set.parts,
        train_bytes=writer.train_bytes,
        created_at=created_at,
    )
    s3.put_object(
        Bucket=upload.bucket,
        Key=layout.run_record_key(record.run_id),
        Body=record.to_json().encode(),
        ContentType="application/json",
    )
    return record


class _Writer:
    """Puts parts of a run into the bucket as they fill up, and counts."""

    def __init__(self, s3: "S3Client", upload: Upload, places_rows: int) -> None:
        self._s3 = s3
        self._bucket = upload.bucket
        self._run_id = upload.run_id
        self._places_rows = places_rows
        self._waiting: list[places.Places] = []
        self._waiting_rows = 0
        self.rows_read = 0
        self.rows_usable = 0
        self.places_parts = 0
        self.train_bytes = 0

    def add_chunk(self, chunk: Chunk) -> None:
        """Count a chunk's rows, and write its places."""
        self.rows_read += chunk.rows
        self.rows_usable += len(chunk.row)
        rows = places.make(chunk.row, chunk.latitude, chunk.longitude)
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= self._places_rows:
            self.put_rest_of_places()

    def put_rest_of_places(self) -> None:
        """Write the places that wait for a part to fill up."""
        if not self._waiting_rows:
            return
        key = layout.places_key(self._run_id, self.places_parts)
        self.put(key, places.encode(np.concatenate(self._waiting)))
        self.places_parts += 1
        self._waiting.clear()
        self._waiting_rows = 0

    def put_shard(self, shard: Shard) -> None:
        """Write a shard of training records."""
        self.put(layout.train_key(self._run_id, shard.part), shard.body)
        self.train_bytes += len(shard.body)

    def put(self, key: str, body: bytes) -> None:
        """Write an object."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)
