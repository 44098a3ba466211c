"""What is said of a run that ended. Pure."""

import json
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from geoclusters import layout
from geoclusters.errors import printable

#: SNS's bound of an e-mail's subject, which must be ASCII and of one line.
_MOST_SUBJECT: Final = 100


class Message(NamedTuple):
    """One message, for people and for programs."""

    subject: str
    text: str
    document: dict[str, Any]

    def to_sns(self) -> str:
        """Return it as SNS wants it under MessageStructure=json."""
        document = json.dumps(self.document, ensure_ascii=False)
        return json.dumps({"default": document, "email": self.text})


def message(status: dict[str, Any]) -> Message:
    """Return what to say of a run.

    Parameters
    ----------
    status : dict
        Its last status, as `status.json` has it.
    """
    uri = status["upload"]["uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    prefix = layout.output_prefix(key)
    links = [
        f"s3://{bucket}/{prefix}{name}"
        for name in (*status["files"], layout.STATUS_NAME)
    ]
    console = (
        f"https://console.aws.amazon.com/s3/buckets/{bucket}?prefix={quote(prefix)}"
    )
    lines = [
        f"{uri}: {status['state']}",
        "",
        status["message"],
        *(f"Note: {warning}" for warning in status["warnings"]),
        "",
        f"In the browser: {console}",
        "Files:",
        *(f"  {link}" for link in links),
        "",
        f"Run {status['run_id']}, {status['updated_at']}",
    ]
    return Message(
        subject=_subject(f"geoclusters: {status['state']} {key}"),
        # Names of files may hold line breaks, and what else deceives who reads them.
        text="\n".join(map(printable, lines)),
        document={
            "state": status["state"],
            "message": status["message"],
            "run_id": status["run_id"],
            "upload": status["upload"],
            "warnings": status["warnings"],
            "files": links,
            "console": console,
        },
    )


def _subject(text: str) -> str:
    """Return a text as SNS takes it for a subject."""
    plain = "".join(c if " " <= c <= "~" else "?" for c in text)
    most = _MOST_SUBJECT - 1
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."
