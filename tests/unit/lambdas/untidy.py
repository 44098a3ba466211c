"""What the tests of untidy tables share: uploads of any kind, and tables to write."""

import csv
import io
import itertools
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from geoclusters import layout
from geoclusters.run import Upload
from tests.unit.lambdas.conftest import Cloud

#: Each upload has one of its own.
FOLDERS: Final = itertools.count()
BOM: Final = "\ufeff"
DEGREES: Final = ((22.25, 114.125), (22.5, 114.25), (-33.75, 151.5), (59.35, -18.0))

#: Hong Kong's grid: its origin, and 10 km north and 5 km east of it; by the Survey and
#: Mapping Office's Explanatory Notes on Geodetic Datums in Hong Kong the origin lies at
#: 22°18'43.68"N 114°10'42.80"E, in WGS 84 5.5" further south and 8.8" further east.
GRID: Final = ((819069.80, 836694.05), (829069.80, 836694.05), (819069.80, 841694.05))


@dataclass(frozen=True, kw_only=True)
class Case:
    """An upload."""

    data: str | bytes
    #: The end of its key.
    name: str = "a.csv"
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The file of parameters beside it.
    beside: str | None = None

    def prepare(self, cloud: Cloud) -> tuple[Upload, Any]:
        """Upload it; return that, and its status."""
        key = f"input/{next(FOLDERS)}/{self.name}"
        if self.beside is not None:
            cloud.upload(self.beside, key=layout.parameters_key(key))
        upload = cloud.upload(self.data, key=key, **self.metadata)
        cloud.prepare(upload)
        return upload, json.loads(cloud.read(f"{upload.output_prefix}status.json"))


def text(
    rows: Sequence[Sequence[object]], *, delimiter: str = ",", end: str = "\n"
) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    return file.getvalue()


def table(
    *header: str,
    rows: Sequence[Sequence[object]] = DEGREES,
    delimiter: str = ",",
    end: str = "\n",
    mark: str = ".",
) -> str:
    names = header or ("latitude", "longitude")
    cells = [[str(cell).replace(".", mark) for cell in row] for row in rows]
    return text([names, *cells], delimiter=delimiter, end=end)


def column(*values: str, name: str = "location") -> str:
    """Return a table of names and one column with both coordinates."""
    return text([("name", name), *(("x", value) for value in values)])


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


LINES: Final = table("lat", "lon").splitlines(keepends=True)
