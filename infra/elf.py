"""Makes shared libraries smaller, by what nobody reads at run time."""

import struct
from pathlib import Path
from typing import Final

_ELF64_LITTLE: Final = b"\x7fELF\x02\x01"
_SECTION_HEADERS_AT: Final = 0x28  # e_shoff, 8 bytes
_SECTION_COUNTS_AT: Final = 0x3A  # e_shentsize, e_shnum, e_shstrndx, 2 bytes each
_SEGMENTS: Final = struct.Struct("<Q14xHH")  # at 0x20: e_phoff; e_phentsize, e_phnum
_SEGMENT_FILE_RANGE_AT: Final = 0x08  # p_offset, then p_vaddr, p_paddr, p_filesz


def drop_symbols(library: Path) -> None:
    """Cut off what stands behind the last segment of a 64-bit ELF file.

    Those are the symbol and string tables of debuggers, and the section headers, which
    the loader doesn't need: it goes by the segments (`strip`, of binutils, which a
    machine may not have, does the same but for the headers). The format: `man 5 elf`.
    """
    with library.open("r+b") as file:
        head = file.read(64)
        if not head.startswith(_ELF64_LITTLE):
            msg = f"{library} is no 64-bit little-endian ELF file"
            raise ValueError(msg)
        segments_at, size, count = _SEGMENTS.unpack_from(head, 0x20)
        file.seek(segments_at)
        table = file.read(size * count)
        ends = [segments_at + size * count]
        for start in range(0, len(table), size):
            offset, _, _, length = struct.unpack_from(
                "<4Q", table, start + _SEGMENT_FILE_RANGE_AT
            )
            ends.append(offset + length)
        file.truncate(max(ends))
        file.seek(_SECTION_HEADERS_AT)
        file.write(bytes(8))
        file.seek(_SECTION_COUNTS_AT)
        file.write(bytes(6))
