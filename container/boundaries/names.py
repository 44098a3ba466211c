"""Which column of a layer names its areas.

Every publisher calls it something else, and beside it stand codes, the names of what
the areas belong to, and the same names in other languages. What a column is called
decides first, then what stands in it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

from container.boundaries.limits import MOST_NAME_CHARACTERS


class Kind(IntEnum):
    """What the name of a column promises, the better last."""

    TEXT = 0
    PLACE = 1
    NAME = 2
    ENGLISH = 3


class NameColumn(NamedTuple):
    """The column that names the areas."""

    column: str
    #: Why it was chosen, as the end of a sentence.
    why: str


_WHY: Final = {
    Kind.ENGLISH: "it is called as names in English or in Latin letters are",
    Kind.NAME: "it is called as names are",
    Kind.PLACE: "it is called as a kind of area",
    Kind.TEXT: "of the columns with texts, its values differ most",
}

#: As `_plain` leaves them; of English names, or of those in Latin letters.
_ENGLISH: Final = re.compile(
    r"e_?name|(english|eng|en|latin|latn|roman)_?name.*|.*name_?(e|en|eng|english)"
    r"|.*name_?(latn|latin|roman|ascii)|adm[0-9]_?(en|name_?en)|.*(nom|nam|nm)_?(en|eng)"
    r"|.*district_?(e|en|eng)"
)
#: The word “name” in the languages of the larger open-data portals.
_NAME: Final = re.compile(
    # alone or with others: NAME_1, statename, LAD23NM, NM_MUN, KnNamn, JPT_NAZWA_
    r".*(name|naam|namn|navn|nimi|nombre|nazwa|naziv|nazev|libelle|denominaci"
    r"|bezeichn|nimetus).*|nome?(_.*|[0-9]*)|.*_nome?|nm_.*|.*[0-9]nm|den_.*"
    r"|(gen|nev|nume|adi|ad|emer|label|title|titel|titre|titulo|toponym|ten)"
    # Russian and Ukrainian, Chinese, Japanese, Korean, Arabic, Hebrew, Greek, Hindi
    r"|.*(название|наименование|назва|имя|名称|名稱|地名|市町村名|名前|区名|區名|이름|명칭"
    r"|اسم|שם|ονομα|नाम).*"
)
_PLACE: Final = re.compile(
    r".*(district|county|state|province|region|borough|municip|commune|comune|city"
    r"|country|town|ward|zone|area|neighbou?rhood|suburb|parish|bezirk|kreis|gemeinde"
    r"|barrio|bairro|distrito|provincia|estado|departement|departamento|admin|land"
    r"|区|區|市|县|縣|省|раион|область).*"
)
#: What such names go together with when they are no names at all: `district_code`,
#: `NAME_LENGTH`, `ENGTYPE_2`.
_NO_NAME: Final = re.compile(
    r".*(code|_id|type|_iso|url|link|source|date|remark|comment|length|abbr|short"
    r"|hasc|pcode|alt_?name|name_?alt|varname|filename|username|layername|longname"
    r"|name_?long)[0-9_]*|(id|fid|gid|gml_?id|uuid|guid).*"
)
#: Numbers, codes such as HK-0123 and A12, dates, identifiers, and addresses.
_CODE: Final = re.compile(
    r"[\d\W_]*|[A-Za-z]{0,4}[-_.]?\d[\dA-Za-z._-]*|\{?[0-9a-f]{8}-[0-9a-f-]{20,}\}?"
    r"|\w+://.*|[A-Z]{2,3}(-[A-Z0-9]{1,3})?",
    re.DOTALL,
)


def choose(columns: Mapping[str, Sequence[Any]]) -> NameColumn | None:
    """Return the column that names the areas, if there is one.

    Parameters
    ----------
    columns : mapping of str to sequence
        The layer's columns of texts, in its order: values of the same rows.
    """
    best: tuple[Any, ...] = ()
    chosen = None
    most_different = max((_different(_texts(v)) for v in columns.values()), default=0)
    for position, (column, values) in enumerate(columns.items()):
        texts = _texts(values)
        kind, are_codes = _kind(column), _are_codes(texts)
        if len(texts) < len(values) / 2 or not texts:
            continue
        if are_codes and kind < Kind.NAME:
            continue
        different = _different(texts)
        score = (
            # The name of what all of them belong to tells nothing.
            different >= most_different / 4 or different == len(values),
            not are_codes,
            kind,
            different,
            _latin_share(texts),
            # NAME_1 contains NAME_2; otherwise the first is the most general.
            position if _ends_in_digit(column) else -position,
        )
        if not best or score > best:
            best, chosen = score, NameColumn(column, _WHY[kind])
    return chosen


def of_features(values: Sequence[Any]) -> list[str]:
    """Return a name for each feature: its own, or its number such as `#7`."""
    return [clean(value) or f"#{number}" for number, value in enumerate(values, 1)]


def clean(value: Any) -> str:
    """Return a value as a name: one line, without control characters, not too long."""
    text = "" if value is None else str(value)
    shown = "".join(c if c.isprintable() else " " for c in text)
    name = " ".join(shown.split())
    if len(name) > MOST_NAME_CHARACTERS:
        name = name[: MOST_NAME_CHARACTERS - 1].rstrip() + "…"
    return name


def _texts(values: Sequence[Any]) -> list[str]:
    return [text for text in (clean(value) for value in values) if text]


def _different(texts: Sequence[str]) -> int:
    return len(set(texts))


def _are_codes(texts: Sequence[str]) -> bool:
    codes = sum(_CODE.fullmatch(text) is not None for text in texts)
    return codes > 0.8 * len(texts)


def _latin_share(texts: Sequence[str]) -> float:
    letters = [c for text in texts for c in text if c.isalpha()]
    latin = sum(unicodedata.name(c, "").startswith("LATIN") for c in letters)
    return round(latin / len(letters), 2) if letters else 0.0


def _kind(column: str) -> Kind:
    plain = _plain(column)
    if _ENGLISH.fullmatch(plain):
        return Kind.ENGLISH
    if _NO_NAME.fullmatch(plain):
        return Kind.TEXT
    if _NAME.fullmatch(plain):
        return Kind.NAME
    return Kind.PLACE if _PLACE.fullmatch(plain) else Kind.TEXT


def _plain(column: str) -> str:
    """Return a column's name without case and accents, its words parted by `_`."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    decomposed = unicodedata.normalize("NFKD", parted.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    whole = unicodedata.normalize("NFKC", letters)
    return re.sub(r"[\W_]+", "_", whole).strip("_")


def _ends_in_digit(column: str) -> bool:
    return column[-1:].isdigit()
