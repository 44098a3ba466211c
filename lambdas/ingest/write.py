"""Writing a run: places/, train/ and, last, run.json."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from geoclusters import layout, places
from geoclusters.ahead import read_ahead, write_behind
from geoclusters.deadline import SecondsLeft, unbounded
from geoclusters.environment import IngestSettings
from geoclusters.geodesy import GEOMETRIES
from geoclusters.hyperparameters import first_shard_rows
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.status import now
from geoclusters.tables.distinct import DistinctPlaces
from geoclusters.tables.reader import Chunk, Table
from geoclusters.training_set import TrainingSet, shard_bytes
from lambdas.ingest.check import check_distinct, check_rows, check_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Rows of one part of places/: 6 MiB without ids.
PLACES_ROWS: Final = 256 * 1024
#: Chunks that are parsed while an earlier one is turned into records.
_CHUNKS_AHEAD: Final = 2
#: Shards that are on their way to the bucket.
_SHARDS_AT_ONCE: Final = 2


def write_run(
    table: Table,
    upload: Upload,
    parameters: Parameters,
    *,
    created_at: str,
    settings: IngestSettings,
    s3: "S3Client",
    seconds_left: SecondsLeft = unbounded,
    places_rows: int = PLACES_ROWS,
) -> RunRecord:
    """Write what a run needs into the data bucket; return its record.

    Reading, parsing and writing overlap. What is held in memory at a time doesn't grow
    with the table. The record is written last: where it stands, the rest stands too.

    Raises
    ------
    TableError
        If the table has too few usable rows, or too many, or takes too long to read.
    """
    training_set = TrainingSet(
        GEOMETRIES[parameters.geometry],
        first_shard_rows=first_shard_rows(parameters.k),
        seed=int(upload.run_id, 16),
        most_shard_bytes=shard_bytes(upload.size, settings.instance_count),
    )

    def put(key: str, body: bytes | bytearray) -> None:
        # (The types of boto3 don't know that it takes a bytearray.)
        s3.put_object(Bucket=upload.bucket, Key=key, Body=body)  # type: ignore[arg-type]

    rows_read = train_bytes = 0
    places_written = _Places(upload.run_id, put, places_rows)
    with write_behind(put, _SHARDS_AT_ONCE) as put_shard:
        with (
            write_behind(places_written.add, 1) as add_places,
            read_ahead(table.chunks(), _CHUNKS_AHEAD) as chunks,
        ):
            for chunk in chunks:
                rows_read += chunk.rows
                check_time(seconds_left, read=rows_read)
                add_places(chunk)
                for shard in training_set.add(chunk.latitude, chunk.longitude):
                    put_shard(layout.train_key(upload.run_id, shard.part), shard.body)
                    train_bytes += len(shard.body)
        check_rows(
            table.left_out,
            read=rows_read,
            k=parameters.k,
            most_left_out_percent=settings.most_left_out_percent,
        )
        with write_behind(places_written.finish, 1) as finish_places:
            finish_places()
            for shard in training_set.finish():
                put_shard(layout.train_key(upload.run_id, shard.part), shard.body)
                train_bytes += len(shard.body)
    check_distinct(places_written.distinct, usable=places_written.rows, k=parameters.k)
    if table.left_out.rows:
        put(layout.rejected_key(upload.run_id), table.left_out.to_csv())
    record = _record(
        table,
        upload,
        parameters,
        places_written,
        training_set,
        rows_read=rows_read,
        train_bytes=train_bytes,
        created_at=created_at,
    )
    s3.put_object(
        Bucket=upload.bucket,
        Key=layout.run_record_key(record.run_id),
        Body=record.to_json().encode(),
        ContentType="application/json",
    )
    return record


def _record(
    table: Table,
    upload: Upload,
    parameters: Parameters,
    places_written: "_Places",
    training_set: TrainingSet,
    *,
    rows_read: int,
    train_bytes: int,
    created_at: str,
) -> RunRecord:
    """Return the record of what was asked for, read and written."""
    return RunRecord(
        upload=upload,
        k=parameters.k,
        geometry=parameters.geometry,
        refine=parameters.refine,
        boundary=parameters.boundary,
        parameters=dict(parameters.given),
        parameters_file=parameters.file,
        columns=table.columns,
        table=table.detected,
        rows_read=rows_read,
        rows_usable=places_written.rows,
        distinct_places=places_written.distinct.count,
        distinct_places_exact=places_written.distinct.is_exact,
        left_out=table.left_out.summary(),
        centre=training_set.centre,
        places_parts=places_written.parts,
        train_parts=training_set.parts,
        train_bytes=train_bytes,
        created_at=created_at,
        prepared_at=now(),
    )


class _Places:
    """Puts places into the bucket, a part at a time, and counts them."""

    def __init__(
        self, run_id: str, put: Callable[[str, bytearray], None], rows_a_part: int
    ) -> None:
        self._run_id = run_id
        self._put = put
        self._rows_a_part = rows_a_part
        self._waiting: list[places.Places] = []
        self._waiting_rows = 0
        self.rows = 0
        self.parts = 0
        self.distinct = DistinctPlaces()

    def add(self, chunk: Chunk) -> None:
        """Count a chunk's places, and write those that fill a part."""
        self.distinct.add(chunk.latitude, chunk.longitude)
        self.rows += len(chunk.row)
        self._waiting_rows += len(chunk.row)
        self._waiting.append(
            places.make(chunk.row, chunk.latitude, chunk.longitude, chunk.id)
        )
        if self._waiting_rows >= self._rows_a_part:
            self._put_part()

    def finish(self) -> None:
        """Write the places that wait for a part to fill up, and count them all."""
        if self._waiting_rows:
            self._put_part()
        self.distinct.finish()

    def _put_part(self) -> None:
        key = layout.places_key(self._run_id, self.parts)
        self._put(key, places.encode(*self._waiting))
        self.parts += 1
        self._waiting.clear()
        self._waiting_rows = 0
