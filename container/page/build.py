"""Make map.html's template from the npm package `leaflet` and the files in `src`.

    npm ci
    .venv-report/bin/python -m container.page.build node_modules/leaflet

The result is one page that lacks nothing but its data, so that the report needs no
Node. It depends on nothing but these files: the same bytes each time, which a test
checks. README.md tells how the page is made.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path
from typing import Final

from container.page import DATA_MARK, TEMPLATE

SOURCE: Final = Path(__file__).parent / "src"
#: In this order: each uses only what stands above it.
SCRIPTS: Final = (
    "format.js",
    "projection.js",
    "data.js",
    "board.js",
    "markers.js",
    "table.js",
    "page.js",
)


def build(package: Path) -> bytes:
    """Return the template.

    Parameters
    ----------
    package : Path
        The folder of leaflet 1.9.4.
    """
    licence = (package / "LICENSE").read_text("utf-8").strip()
    script = "\n".join(
        (
            _licensed(licence, _script(package / "dist" / "leaflet.js")),
            "(() => {",
            '"use strict";',
            *((SOURCE / name).read_text("utf-8") for name in SCRIPTS),
            "})();",
        )
    )
    style = "\n".join(
        (
            _licensed(licence, _style(package / "dist" / "leaflet.css")),
            (SOURCE / "page.css").read_text("utf-8"),
        )
    )
    page = (SOURCE / "page.html").read_text("utf-8")
    for mark, text in (
        ("@SCRIPT_HASH@", _hash(script)),
        ("@STYLE_HASH@", _hash(style)),
        ("@STYLE@", style),
        ("@SCRIPT@", script),
    ):
        if page.count(mark) != 1:
            msg = f"page.html: expected {mark} once"
            raise ValueError(msg)
        page = page.replace(mark, text)
    if page.count(DATA_MARK.decode()) != 1:
        msg = f"expected {DATA_MARK.decode()} once"
        raise ValueError(msg)
    return page.encode()


def _licensed(licence: str, text: str) -> str:
    return f"/*\nLeaflet 1.9.4\n\n{licence}\n*/\n{text}"


def _script(path: Path) -> str:
    """Return Leaflet's script without the address of its source map."""
    return re.sub(r"\n//# sourceMappingURL=.*\s*$", "\n", path.read_text("utf-8"))


def _style(path: Path) -> str:
    """Return Leaflet's style without its pictures: the page has its own."""
    text = re.sub(r"[\w-]+:\s*url\([^)]*\)[^;]*;", "", path.read_text("utf-8"))
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls an element's text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def main(arguments: list[str]) -> None:
    """Write the template beside this module."""
    (package,) = arguments
    data = build(Path(package))
    TEMPLATE.write_bytes(data)
    print(f"{TEMPLATE.name}: {len(data)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
