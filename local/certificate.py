"""A certificate of one cloud's own, for its endpoint on loopback."""

import subprocess
from pathlib import Path

from local.child import LOOPBACK
from local.errors import LocalError

_DAYS = 7  # longer than any cloud runs


def make(certificate: Path, key: Path) -> None:
    """Write a self-signed certificate and its key, in PEM.

    Raises
    ------
    LocalError
        When there is no openssl on this machine, or it fails; with what it said.
    """
    command = ["openssl", "req", "-x509", "-noenc", "-days", str(_DAYS)]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    command += ["-subj", "/CN=geoclusters local cloud"]
    # It vouches for itself and for nobody else.
    for extension in (
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=serverAuth",
        f"subjectAltName=DNS:localhost,IP:{LOOPBACK}",
    ):
        command += ["-addext", extension]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise LocalError(
            "There is no `openssl` on this machine; the local cloud needs it for the "
            "certificate of its endpoint."
        ) from None
    except subprocess.CalledProcessError as error:
        raise LocalError(f"`openssl` made no certificate:\n{error.stderr}") from error
    key.chmod(0o600)
