"""In which encoding the texts of a shapefile are: its .cpg file or its .dbf tells.

GDAL would look for tables of encodings in files, which the process that reads borders
can't open. So it is told to leave texts as they are, and Python, which has loaded what
it needs by then, decodes them.
"""

import codecs
import contextlib
import re
from typing import Final

#: The byte of a .dbf file that names a code page, by Esri's and FoxPro's lists.
_LANGUAGE_DRIVER_BYTE: Final = 29
_LANGUAGE_DRIVERS: Final = {
    **{0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x13: "cp932", 0x26: "cp866"},
    **{0x4D: "cp936", 0x4E: "cp949", 0x4F: "cp950", 0x57: "cp1252", 0x64: "cp852"},
    **{0x65: "cp866", 0x78: "cp950", 0x79: "cp949", 0x7A: "cp936", 0x7B: "cp932"},
    **{0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254", 0xCB: "cp1253"},
}
#: What GDAL's texts come in: it has a character for each byte, so that none is lost.
AS_BYTES: Final = "iso8859-1"


def of_dbf(dbf: bytes, cpg: bytes = b"") -> str:
    """Return the Python codec of a .dbf file's texts.

    Parameters
    ----------
    dbf : bytes
        The file.
    cpg : bytes
        The .cpg file beside it, empty if there is none.
    """
    told = _codec(cpg[:100].decode("ascii", "replace"))
    if told is not None:
        return told
    header_bytes = int.from_bytes(dbf[8:10], "little")
    records = dbf[header_bytes:]
    if not records.isascii():
        with contextlib.suppress(UnicodeDecodeError):
            records.decode()
            return "utf-8"
    driver = dbf[_LANGUAGE_DRIVER_BYTE] if len(dbf) > _LANGUAGE_DRIVER_BYTE else 0
    return codecs.lookup(_LANGUAGE_DRIVERS.get(driver, "cp1252")).name


def decoded(text: str, encoding: str | None) -> str:
    """Return a text as it was meant; None stands for texts that are so already."""
    if encoding is None:
        return text
    return text.encode(AS_BYTES, "replace").decode(encoding, "replace")


def _codec(told: str) -> str | None:
    """Return the codec that a .cpg file names, such as `UTF-8` or `OEM 936`."""
    name = told.strip().lower()
    latin = re.search(r"8859[- _]?(\d{1,2})$", name)
    number = re.search(r"(\d{3,5})$", name)
    guesses = [name, name.replace(" ", "")]
    if latin:
        guesses = [f"iso8859-{latin[1]}"]
    elif number:
        guesses.append("utf-8" if number[1] == "65001" else f"cp{number[1]}")
    for guess in guesses:
        with contextlib.suppress(LookupError, ValueError):
            codec = codecs.lookup(guess)
            if codec._is_text_encoding:
                return codec.name
    return None
