"""Texts of strangers in CSV files that are opened in a spreadsheet.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, which
may start programs and send the table away, however well the file is quoted (OWASP, CSV
Injection, https://owasp.org/www-community/attacks/CSV_Injection). A leading apostrophe
makes it a text.
"""

import re
from typing import Final

import polars as pl

#: What a formula begins with, in their full width (as East Asia writes them), too.
_SIGNS: Final = r"[=+\-@\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
#: What programs pass over before it: control characters and blanks, seen or unseen.
_BLANK: Final = r"[\x00-\x20\x7f-\xa0\x{200b}\x{feff}]"
#: A cell that is run, or begins with what OWASP names besides.
_FORMULA: Final = rf"\A(?:{_BLANK}*{_SIGNS}|[\t\r\n])"
#: A number as it is written everywhere, or a sign alone, which stands for nothing.
_HARMLESS: Final = r"\A[+-](?:(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?)?\z"
#: Where a spreadsheet that cuts lines at semicolons or tabs sees another cell begin.
_CELL: Final = rf"([;\t\r\n]{_BLANK}*)({_SIGNS})"
_ANYWHERE: Final = rf"(?:\A|[;\t\r\n]){_BLANK}*{_SIGNS}|\A[\t\r\n]"


def _python(pattern: str) -> re.Pattern[str]:
    """Compile what is written as polars wants it."""
    pattern = re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", pattern)
    return re.compile(pattern.replace(r"\z", r"\Z"))


_FORMULA_RE: Final = _python(_FORMULA)
_HARMLESS_RE: Final = _python(_HARMLESS)
_CELL_RE: Final = _python(_CELL)


def as_text(text: str) -> str:
    """Return a text for a cell of a CSV file, such that no spreadsheet runs it.

    A text that would be run as a formula gets a leading apostrophe. So does each part
    of it that would be, where it is cut at semicolons, tabs or line breaks: Excel does
    that in countries with decimal commas. A number stays as it is (`-12`, `+59.350`),
    and so does a sign alone (`-`). All other texts stay.
    """
    text = _CELL_RE.sub(r"\1'\2", text)
    if _FORMULA_RE.match(text) and not _HARMLESS_RE.match(text):
        return f"'{text}"
    return text


def as_texts(texts: pl.Series) -> pl.Series:
    """Return texts as `as_text` does, which may be null; mostly none is touched."""
    if not texts.str.contains(_ANYWHERE).any():
        return texts
    texts = texts.str.replace_all(_CELL, "${1}'${2}")
    runs = texts.str.contains(_FORMULA) & ~texts.str.contains(_HARMLESS)
    return ("'" + texts).zip_with(runs.fill_null(False), texts)
