"""Zip archives as people make them, whatever is to be found in them."""

import struct
import zipfile
import zlib
from typing import Final

#: Of a zip's first file, of a zip without files, and of one in several parts.
MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
#: Bits of a file's flags: encrypted, by whatever method.
_ENCRYPTED: Final = 0x1 | 0x40
#: The other methods that the standard library knows unpack without bound.
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What `zipfile` raises at damage, by trial; OSError is also what a negative seek is.
ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, OverflowError, NotImplementedError),
)


def path(member: zipfile.ZipInfo) -> str:
    """Return where a file lies in its archive, with slashes."""
    return member.filename.replace("\\", "/")  # some programs for Windows write that


def is_plain(member: zipfile.ZipInfo) -> bool:
    """Return whether it is a file that its packer knows of: no folder, not hidden."""
    folders_and_name = path(member).split("/")
    return folders_and_name[-1] != "" and not any(
        part == "__MACOSX" or (part.startswith(".") and part not in (".", ".."))
        for part in folders_and_name
    )


def is_encrypted(member: zipfile.ZipInfo) -> bool:
    """Return whether a password is needed to read a file."""
    return bool(member.flag_bits & _ENCRYPTED)


def is_unpackable(member: zipfile.ZipInfo) -> bool:
    """Return whether a file is stored, or compressed by a method that is bounded."""
    return member.compress_type in _METHODS


def shown(member: zipfile.ZipInfo) -> str:
    """Return a file's name for a message as `errors.quoted` does, but the end of one.

    At the start of a long one stand the folders that all files may lie in.
    """
    name = member.filename
    return repr(name if len(name) <= 80 else f"…{name[-80:]}")
