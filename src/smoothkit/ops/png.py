"""PNG files without what does not concern their pixels.

Pillow unpacks texts and colour profiles, and refuses a file where they are large or damaged; its
pixels are sound all the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"IDAT", b"IEND"))
_GREY = 0


def bare_head(file: IO[bytes]) -> bytes:
    """The start of a PNG up to its pixels, without chunks that do not concern them.

    What is no PNG, or is cut off, comes back as far as it goes.
    """
    head = file.read(len(_SIGNATURE))
    for kind, start in _chunks(file):
        if kind == b"IDAT":
            return head + start
        if kind in _KEPT:
            head += start + file.read(_length(start) + 4)
        else:
            file.seek(_length(start) + 4, 1)
    return head


def bare(file: IO[bytes]) -> bytes:
    """A whole PNG without chunks that do not concern its pixels."""
    parts = [file.read(len(_SIGNATURE))]
    for kind, start in _chunks(file):
        content = file.read(_length(start) + 4)
        if kind in _KEPT:
            parts += [start, content]
    return b"".join(parts)


def transparent_level(file: IO[bytes]) -> int | None:
    """The level of a grey PNG that is transparent, in the 8 or 16 bits that decoders give.

    None where there is none, as in a PNG of colours.
    """
    file.seek(len(_SIGNATURE))
    bits = color_type = 0
    for kind, start in _chunks(file):
        content = file.read(_length(start) + 4)
        if kind == b"IHDR":
            bits, color_type = content[8], content[9]
        elif kind == b"tRNS" and color_type == _GREY:
            level = int.from_bytes(content[:2], "big") & ((1 << bits) - 1)
            return level * 255 // ((1 << bits) - 1) if bits < 8 else level
        elif kind == b"IDAT":
            break
    return None


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and first 8 bytes of each chunk; the caller reads or skips the rest."""
    while len(start := file.read(8)) == 8:
        yield start[4:], start


def _length(start: bytes) -> int:
    (length,) = struct.unpack(">I", start[:4])
    return int(length)
