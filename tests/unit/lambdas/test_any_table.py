"""Whatever table is written in whatever way: the run is the same, byte for byte.

Code pages are guessed, which from a few words fails at times. Then texts of other
columns are misread, but no place may change: so coordinates have names in ASCII there.
`test_untidy_tables.py` has texts long enough to be told.
"""

import csv
import gzip
import io
import zipfile
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from geoclusters import places
from geoclusters.environment import IngestSettings
from geoclusters.errors import TableError
from geoclusters.parameters import Parameters
from geoclusters.run import RunRecord, Upload
from geoclusters.tables.reader import Table
from lambdas.ingest.write import write_run

UPLOAD: Final = Upload(
    bucket="data", key="input/a.csv", etag="0", sequencer="1", size=1000
)
SETTINGS: Final = IngestSettings(
    data_bucket=UPLOAD.bucket,
    uploads_queue_url="",
    jobs_queue_url="",
    default_k=2,
    max_upload_bytes=10**6,
    most_left_out_percent=100,
    instance_count=1,
)
#: What the id's column is called.
ID: Final = "Nr"

#: Letters that an encoding has, which others read as something else.
LETTERS: Final = {
    "cp1252": "äöüßéèñçø€’°",
    "latin-1": "äöüßéèñçø°",
    "cp1250": "ąćęłńóśźżÁčřšž",
    "cp1251": "абвгджзиклмнопрстуфхцчшщыэюя№",
    "cp1253": "αβγδεζηθικλμνξοπρστυφχψω",
    "cp850": "äöüßéèñçø°",
    "cp437": "äöüßéèñç°",
    "cp852": "ąćęłńóśźżÁčřšž",
    "cp866": "абвгджзиклмнопрстуфхцчшщыэюя№",
    "gb18030": "亅攟中国银行北京市朝阳区建国门外大街人民医院，一",
    "big5": "育四臺北車站中正區平西路高雄市功許蓋，一",
    "shift_jis": "ポ東京駅都千代田区丸の内ソ能表ｱｲｳコンビニ，一",
    "euc_kr": "서울역특별시용산구한강대로부산광역",
}
UNICODE: Final = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")
#: Their second bytes may be a bar; misread, it separates fields that are one.
WITH_BARS: Final = ("gb18030", "big5", "shift_jis")

ASCII_NAMES: Final = (
    *(("lat", "lon"), ("Latitude", "Longitude"), ("LATITUD", "LONGITUD")),
    *(("decimalLatitude", "decimalLongitude"), ("breedtegraad", "lengtegraad")),
    *(("stop_lat", "stop_lon"), ("Lat. (deg)", "Long. (deg)")),
)
ALL_NAMES: Final = (
    *ASCII_NAMES,
    *(("Breitengrad", "Längengrad"), ("geogr. Breite", "geogr. Länge")),
    *(("Szerokość geograficzna", "Długość geograficzna"), ("Широта", "Долгота")),
    *(("緯度", "經度"), ("纬度", "经度"), ("緯度", "経度")),
)
NOTES: Final = (
    *("", "Depots, 2026", "latitude and longitude; WGS 84", 'by "B"', "lat|lon"),
    *("id\tlat\tlon", "lat, lon", "12.5"),
)


@dataclass(frozen=True)
class Way:
    """How a table is written."""

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal_mark: str = "."
    line_end: str = "\n"
    #: Of the `csv` module. A decimal comma between commas is always in quotation marks:
    #: without them nobody could tell which comma is which.
    quoting: Any = csv.QUOTE_MINIMAL
    compression: str = ""
    #: Records above the header.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Content:
    """A table, however it is written."""

    header: tuple[str, ...]
    #: Where latitude, longitude and, if there is one, the id stand.
    numbers: tuple[int, int]
    rows: tuple[tuple[str, ...], ...]
    has_ids: bool

    def written(self, way: Way) -> bytes:
        file = io.StringIO(newline="")
        writer = csv.writer(
            file,
            delimiter=way.delimiter,
            lineterminator=way.line_end,
            quoting=way.quoting,
        )
        writer.writerows([note] for note in way.notes)
        writer.writerow(self.header)
        for row in self.rows:
            writer.writerow(
                cell.replace(".", way.decimal_mark) if i in self.numbers else cell
                for i, cell in enumerate(row)
            )
        return packed(file.getvalue().encode(way.encoding), way.compression)


def packed(data: bytes, compression: str) -> bytes:
    if compression == "gzip":
        return gzip.compress(data)
    if compression == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("places.csv", data)
        return file.getvalue()
    return data


NUMBER: Final = st.builds(
    lambda sign, whole, digits: f"{sign}{whole}{'.' if digits else ''}{digits}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 89),
    st.text("0123456789", max_size=8),
)
CELL: Final = st.one_of(NUMBER, NUMBER, NUMBER, st.sampled_from(["", "n/a", "95.5"]))


@st.composite
def ways(draw: st.DrawFn) -> Way:
    encoding = draw(st.sampled_from((*UNICODE, *LETTERS)))
    return Way(
        encoding,
        draw(st.sampled_from(",;\t" if encoding in WITH_BARS else ",;\t|")),
        draw(st.sampled_from(".,")),
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        draw(st.sampled_from(["", "gzip", "zip"])),
        draw(st.lists(st.sampled_from(NOTES), max_size=4).map(tuple)),
    )


def texts(encoding: str) -> st.SearchStrategy[str]:
    """Return texts that an encoding can hold.

    (None with a lone carriage return, which the `csv` module writes without quotation
    marks, so that it would end a line.)
    """
    marks = st.sampled_from([*",;\t|\"' \n.5aZ", "\r\n"])
    letters = (
        st.sampled_from(LETTERS[encoding])
        if encoding in LETTERS
        else st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")
    )
    return st.lists(st.one_of(marks, letters), max_size=12).map("".join)


@st.composite
def contents(draw: st.DrawFn, encoding: str) -> Content:
    is_unicode = encoding in UNICODE
    text = texts(encoding)
    others = draw(st.lists(text, max_size=4))
    names = draw(st.sampled_from(ALL_NAMES if is_unicode else ASCII_NAMES))
    columns = [*names, *(f"c{i} {name}" for i, name in enumerate(others))]
    if is_unicode and draw(st.booleans()):
        columns.append(ID)
    order = draw(st.permutations(range(len(columns))))
    kinds = [CELL, CELL, *[text] * (len(columns) - 2)]
    rows = st.tuples(*(kinds[i] for i in order))
    return Content(
        tuple(columns[i] for i in order),
        (order.index(0), order.index(1)),
        tuple(draw(st.lists(rows, min_size=3, max_size=10))),
        ID in columns,
    )


class Store:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, *, Key: str, Body: bytes, **_: object) -> None:  # noqa: N803
        self.objects[Key] = bytes(Body)


def run(content: Content, way: Way) -> tuple[RunRecord, dict[str, bytes]]:
    """Return the record of a table's run, and what it wrote."""
    store = Store()
    parameters = Parameters(k=2, id=ID if content.has_ids else None)
    table = Table(io.BytesIO(content.written(way)), parameters.columns)
    s3: Any = store
    record = write_run(
        table, UPLOAD, parameters, created_at="", settings=SETTINGS, s3=s3
    )
    return record, store.objects


def without_notes(objects: dict[str, bytes], notes: int) -> dict[str, bytes]:
    """Return a run's objects, rows counted as if nothing stood above the header."""
    return {
        key: renumbered(body, notes) if key.endswith(".npy") else body
        for key, body in objects.items()
        if key.endswith((".npy", ".pbr"))
    }


def renumbered(body: bytes, notes: int) -> bytes:
    part = places.decode(body).copy()
    part["row"] -= notes
    return bytes(places.encode(part))


@settings(max_examples=50, deadline=None)
@given(data=st.data(), way=ways())
def test_a_run_is_the_same_however_its_table_is_written(
    data: st.DataObject, way: Way
) -> None:
    content = data.draw(contents(way.encoding))
    try:
        expected = run(content, Way())
    except TableError:
        reject()  # too few different places
    record, objects = run(content, way)
    assert without_notes(objects, len(way.notes)) == without_notes(expected[1], 0)
    assert record.rows_read == expected[0].rows_read
    assert record.centre == expected[0].centre
    assert record.table["delimiter"] == way.delimiter
    assert record.table["header_row"] == len(way.notes) + 1
    assert record.table["compression"] == way.compression
    if way.encoding in UNICODE:
        assert str(record.table["encoding"]).startswith(way.encoding[:6].rstrip("-"))
