"""Writing a run: places/, train/ and, last, run.json."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from geoclusters import layout, places
from geoclusters.ahead import read_ahead, write_behind
from geoclusters.environment import IngestSettings
from geoclusters.geodesy import GEOMETRIES
from geoclusters.hyperparameters import first_shard_rows
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.tables.distinct import DistinctPlaces
from geoclusters.tables.reader import Chunk, Table
from geoclusters.training_set import Shard, TrainingSet, shard_bytes
from lambdas.ingest.check import check_rows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Rows of one part of places/: 12 MiB without ids.
PLACES_ROWS: Final = 512 * 1024
#: Chunks that are parsed while an earlier one is turned into records.
_CHUNKS_AHEAD: Final = 1
#: Parts that are on their way to the bucket.
_PUTS_AT_ONCE: Final = 2


def write_run(
    table: Table,
    upload: Upload,
    parameters: Parameters,
    *,
    created_at: str,
    settings: IngestSettings,
    s3: "S3Client",
    places_rows: int = PLACES_ROWS,
) -> RunRecord:
    """Write what a run needs into the data bucket; return its record.

    Reading, parsing and writing overlap. What is held in memory at a time doesn't grow
    with the table. The record is written last: where it stands, the rest stands too.

    Raises
    ------
    TableError
        If the table has too few usable rows, or too many.
    """
    training_set = TrainingSet(
        GEOMETRIES[parameters.geometry],
        first_shard_rows=first_shard_rows(parameters.k),
        seed=int(upload.run_id, 16),
        most_shard_bytes=shard_bytes(upload.size, settings.instance_count),
    )
    distinct = DistinctPlaces()

    def put(key: str, body: bytes | bytearray) -> None:
        # (The types of boto3 don't know that it takes a bytearray.)
        s3.put_object(Bucket=upload.bucket, Key=key, Body=body)  # type: ignore[arg-type]

    with (
        write_behind(put, _PUTS_AT_ONCE) as put_behind,
        read_ahead(table.chunks(), _CHUNKS_AHEAD) as chunks,
    ):
        parts = _Parts(upload.run_id, put_behind, places_rows)
        for chunk in chunks:
            parts.add_places(chunk)
            distinct.add(chunk.latitude, chunk.longitude)
            for shard in training_set.add(chunk.latitude, chunk.longitude):
                parts.put_shard(shard)
        check_rows(
            table.left_out,
            read=parts.rows_read,
            distinct=distinct,
            k=parameters.k,
            most_left_out_percent=settings.most_left_out_percent,
        )
        for shard in training_set.finish():
            parts.put_shard(shard)
        parts.put_rest_of_places()
        if table.left_out.rows:
            put_behind(layout.rejected_key(upload.run_id), table.left_out.to_csv())
    record = RunRecord(
        upload=upload,
        k=parameters.k,
        geometry=parameters.geometry,
        boundary=parameters.boundary,
        parameters=dict(parameters.given),
        parameters_file=parameters.file,
        columns=table.columns,
        table=table.detected,
        rows_read=parts.rows_read,
        rows_usable=parts.rows_usable,
        distinct_places=distinct.count,
        distinct_places_exact=distinct.is_exact,
        left_out=table.left_out.summary(),
        centre=training_set.centre,
        places_parts=parts.places_parts,
        train_parts=training_set.parts,
        train_bytes=parts.train_bytes,
        created_at=created_at,
    )
    s3.put_object(
        Bucket=upload.bucket,
        Key=layout.run_record_key(record.run_id),
        Body=record.to_json().encode(),
        ContentType="application/json",
    )
    return record


class _Parts:
    """Puts parts of a run into the bucket as they fill up, and counts."""

    def __init__(
        self,
        run_id: str,
        put: Callable[[str, bytes | bytearray], None],
        places_rows: int,
    ) -> None:
        self._run_id = run_id
        self._put = put
        self._places_rows = places_rows
        self._waiting: list[places.Places] = []
        self._waiting_rows = 0
        self.rows_read = 0
        self.rows_usable = 0
        self.places_parts = 0
        self.train_bytes = 0

    def add_places(self, chunk: Chunk) -> None:
        """Count a chunk's rows, and write its places."""
        self.rows_read += chunk.rows
        self.rows_usable += len(chunk.row)
        rows = places.make(chunk.row, chunk.latitude, chunk.longitude, chunk.id)
        self._waiting.append(rows)
        self._waiting_rows += len(rows)
        if self._waiting_rows >= self._places_rows:
            self.put_rest_of_places()

    def put_rest_of_places(self) -> None:
        """Write the places that wait for a part to fill up."""
        if not self._waiting_rows:
            return
        key = layout.places_key(self._run_id, self.places_parts)
        self._put(key, places.encode(places.concatenate(self._waiting)))
        self.places_parts += 1
        self._waiting.clear()
        self._waiting_rows = 0

    def put_shard(self, shard: Shard) -> None:
        """Write a shard of training records."""
        self._put(layout.train_key(self._run_id, shard.part), shard.body)
        self.train_bytes += len(shard.body)
