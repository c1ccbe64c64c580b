"""Evidence for the carver: a source in memory, fillers, damage, and trailers built from their formats."""

import struct

import numpy as np
from numpy.typing import NDArray

from jpegrescue.carve.find import Carver
from jpegrescue.model.carve import CarvedFile
from tests.jpeg.samples import insert, segment

TEXT = b"Nothing in this sentence is a photo, and neither are the following 4,096 repetitions of it.\n"


class MemorySource:
    """A `ByteSource` over bytes that counts what is read."""

    layers = ()
    gaps = ()

    def __init__(self, data: bytes) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.size = len(data)
        self.bytes_read = 0

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length].tobytes()

    def read_into(self, offset: int, buffer: NDArray[np.uint8]) -> int:
        part = self.data[offset : offset + buffer.size]
        buffer[: part.size] = part
        self.bytes_read += part.size
        return part.size

    def close(self) -> None:
        pass


def filler(kind: str, size: int, seed: int = 0) -> bytes:
    """`size` bytes of `random`, `zero`, `erased` (FF), `text` or `program` (opcodes, addresses, zeros)."""
    rng = np.random.default_rng(seed)
    if kind == "random":
        return rng.bytes(size)
    if kind == "text":
        return (TEXT * (size // len(TEXT) + 1))[:size]
    if kind == "program":
        choice = np.array([0, 0, 0, 0, 0xFF, 0xFF, 0xE8, 0x48, 0x8B, 0x15, 0x25, 0x24, 0xC3, 0x0F], np.uint8)
        return rng.choice(choice, size).tobytes()
    return bytes([0xFF if kind == "erased" else 0]) * size


def dull(size: int, seed: int = 0) -> bytes:
    """Bytes that say nothing: of many values, neither FF, zero nor text, and never equal to their neighbour."""
    low = np.random.default_rng(seed).integers(0, 60, size)
    return (low + np.where(np.arange(size) % 2, 130, 190)).astype(np.uint8).tobytes()


FILLERS = ("random", "zero", "erased", "text", "program")


def carve(data: bytes, chunk: int = 1 << 16, **options: object) -> list[CarvedFile]:
    """All files in `data`, fed in pieces of `chunk` bytes."""
    source = MemorySource(data)
    carver = Carver(source, 0, source.size, **options)
    found = []
    for offset in range(0, source.size, chunk):
        found += carver.feed(offset, source.data[offset : offset + chunk])
    return found


def spans(files: list[CarvedFile]) -> list[tuple[int, int]]:
    return [(file.runs[0].start, file.runs[-1].end) for file in files]


def mpf_index(order: str, images: list[tuple[int, int]]) -> bytes:
    """MPF APP2 with an MP index IFD of (size, offset) pairs (CIPA DC-007 §5.2)."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    table_at = 8 + 2 + 12 + 4
    ifd = struct.pack(order + "HHHII", 1, 0xB002, 7, 16 * len(images), table_at) + bytes(4)
    entries = b"".join(struct.pack(order + "IIIHH", 0, size, offset, 0, 0) for size, offset in images)
    return segment(0xE2, b"MPF\0" + head + ifd + entries)


def with_mpf(primary: bytes, second: bytes, order: str = "<", gap: int = 0) -> bytes:
    """`primary` with an MPF index, `gap` zeros behind it, and `second`."""
    length = len(mpf_index(order, [(0, 0), (0, 0)]))
    offset = len(primary) + length + gap - (2 + 8)  # from the MPF's TIFF head
    index = mpf_index(order, [(len(primary) + length, 0), (len(second), offset)])
    return insert(primary, index) + bytes(gap) + second


def samsung(blocks: list[tuple[str, bytes]]) -> bytes:
    """SEFT trailer: blocks, SEFH directory, SEFT."""
    data, starts = b"", []
    for name, body in blocks:
        starts.append(len(data))
        data += struct.pack("<HHI", 0, 0x0A30, len(name)) + name.encode() + body
    directory = b"SEFH" + struct.pack("<II", 106, len(blocks))
    ends = [*starts[1:], len(data)]
    for begin, end in zip(starts, ends, strict=True):
        directory += struct.pack("<HHII", 0, 0x0A30, len(data) - begin, end - begin)
    return data + directory + struct.pack("<I", len(directory)) + b"SEFT"


def canon_vrd(body: bytes) -> bytes:
    magic = b"CANON OPTIONAL DATA\0"
    return magic + b"\0\1\0\0" + struct.pack(">I", len(body)) + body + magic + struct.pack(">I", len(body)) + bytes(40)


def afcp(start: int, body: bytes, magic: bytes = b"AXS!") -> bytes:
    order = ">" if magic == b"AXS!" else "<"
    head = magic + struct.pack(order + "HHI", 256, 1, 0) + b"IPTC" + struct.pack(order + "II", len(body), start + 24)
    return head + body + magic + struct.pack(order + "II", start, 0)


def photo_mechanic(body: bytes) -> bytes:
    return body + struct.pack(">I", len(body)) + b"cbipcbbl"


def foto_station(body: bytes) -> bytes:
    return body + struct.pack(">HI", 1, len(body) + 10) + b"\xa1\xb2\xc3\xd4"


def mie(body: bytes) -> bytes:
    """MIE group (format, tag length, data length 0, tag) and its terminator."""
    head = b"~\x10\x04\0" + b"0MIE" + body
    end = b"~\0\x04\0zmie~\0\0\x06"
    return head + end + struct.pack(">I", len(head) + len(end) + 6) + b"\x10\x04"


def mp4(size: int) -> bytes:
    """An MP4's first boxes, then media data that hold JPEG markers."""
    head = struct.pack(">I", 24) + b"ftypmp42\0\0\0\0isommp42"
    body = filler("random", size - len(head) - 8, seed=size)
    return head + struct.pack(">I", len(body) + 8) + b"mdat" + body


def xmp(body: str) -> bytes:
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>{body}</rdf:RDF></x:xmpmeta>'
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.encode())
