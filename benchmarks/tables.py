"""Generated tables for the benchmarks: eight columns, about 95 bytes a row.

    python -m benchmarks.tables FILE ROWS [KIND]

The usual one is UTF-8 with commas and one field in quotation marks; the others in
`KINDS` are what slows a reader down.
"""

import argparse
import gzip
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    import polars as pl

ROOT: Final = Path(__file__).parents[1]
_BLOCK_ROWS: Final = 500_000
#: Stands for a quotation mark that polars must not double.
_MARK: Final = "\x01"


class Kind(NamedTuple):
    """How a table is written."""

    #: Delimiter and decimal mark; a comma needs another delimiter.
    delimiter: str = ","
    decimal_mark: str = "."
    encoding: str = "utf-8"
    #: What the streets are called: the bytes that tell an encoding.
    street: str = "Long Street"
    #: A mark in the middle of a plain field sends a block to Python's `csv`.
    note: str = "words"
    #: Every so many rows have no number for a latitude; 0 for none.
    bad_every: int = 0
    #: How the coordinates are written: `decimal`, `dms` (degrees, minutes and seconds),
    #: both in two columns, or `wkt`, in one.
    notation: str = "decimal"
    #: Only coordinates: most rows, and most written, for a file's size.
    is_narrow: bool = False
    gzip: bool = False


_GERMAN: Final = Kind(
    delimiter=";", decimal_mark=",", encoding="cp1252", street="Großköllnstraße"
)
_PIPE: Final = f"5{_MARK} pipe"

KINDS: Final = {
    "plain": Kind(),
    "cp1252": _GERMAN,
    "marks": Kind(note=_PIPE),
    "bad": Kind(bad_every=5),
    "narrow": Kind(is_narrow=True),
    "gzip": Kind(gzip=True),
    "dms": Kind(notation="dms"),
    "dms, narrow": Kind(notation="dms", is_narrow=True),
    "wkt": Kind(notation="wkt"),
    "wkt, narrow": Kind(notation="wkt", is_narrow=True),
    "all": _GERMAN._replace(note=_PIPE, bad_every=5, gzip=True),
}


def generate(path: Path, rows: int, kind: str = "plain") -> int:
    """Write a table in a process of its own; return its size in bytes, unpacked.

    The peak memory that a process is told of starts with its parent's: who measures
    children must stay small.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", path, str(rows), kind],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout)


def main() -> None:
    """Write a table; print its size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("kind", choices=KINDS, nargs="?", default="plain")
    options = parser.parse_args()
    kind = KINDS[options.kind]
    size = 0
    with _open(options.file, kind) as file:
        for block in _blocks(options.rows, kind):
            size += len(block)
            file.write(block)
    print(size)


def _open(path: Path, kind: Kind) -> IO[bytes]:
    if kind.gzip:
        return cast("IO[bytes]", gzip.open(path, "wb", compresslevel=6))
    return path.open("wb")


def _blocks(rows: int, kind: Kind) -> Iterator[bytes]:
    # Here, so that environments without polars can generate tables too, by `generate`.
    import polars as pl

    for start in range(0, rows, _BLOCK_ROWS):
        i = pl.int_range(start, min(start + _BLOCK_ROWS, rows), eager=True).alias("id")
        latitude = ((i * 7919 % 17_000) / 100 - 85).round(2)
        if kind.bad_every:
            latitude = latitude.set(i % kind.bad_every == 0, None)
        frame = pl.DataFrame({"id": i, "latitude": latitude}).select(
            "id",
            "latitude",
            longitude=(pl.col("id") * 104_729 % 360 - 180).cast(pl.Float64),
        )
        coordinates = _coordinates(kind.notation)
        if kind.is_narrow:
            frame = frame.select(**coordinates)
        else:
            frame = frame.select(
                "id",
                name=pl.format("Place number {}", "id"),
                category=pl.format("shop, {}", pl.col("id") % 300),
                **coordinates,
                address=pl.format("{} {}", pl.col("id") % 300, pl.lit(kind.street)),
                opened=pl.lit("2020-01-15"),
                note=pl.lit(kind.note),
            )
        text = frame.write_csv(
            include_header=start == 0,
            separator=kind.delimiter,
            decimal_comma=kind.decimal_mark == ",",
            float_precision=6,
            null_value="n/a",
        )
        yield text.replace(_MARK, '"').encode(kind.encoding)


def _coordinates(notation: str) -> "dict[str, pl.Expr]":
    """Return the columns that hold the coordinates, as they are written."""
    import polars as pl

    latitude, longitude = pl.col("latitude"), pl.col("longitude")
    if notation == "wkt":
        return {"geometry": pl.format("POINT ({} {})", longitude, latitude)}
    if notation == "dms":
        return {
            "latitude": _dms(latitude, "N", "S"),
            "longitude": _dms(longitude, "E", "W"),
        }
    return {"latitude": latitude, "longitude": longitude}


def _dms(degrees: "pl.Expr", positive: str, negative: str) -> "pl.Expr":
    """Return degrees as `22°17′24″N`."""
    import polars as pl

    seconds = (degrees.abs() * 3600).round().cast(pl.Int64)
    return pl.format(
        "{}°{}′{}″{}",
        *(seconds // 3600, seconds // 60 % 60, seconds % 60),
        pl.when(degrees < 0).then(pl.lit(negative)).otherwise(pl.lit(positive)),
    )


if __name__ == "__main__":
    main()
