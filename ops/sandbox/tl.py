"""Bytes to Telethon's TL objects and back, with gzip on the way (core.telegram.org/mtproto/serialize)."""

import gzip
import struct
import zlib
from typing import Any, TypeAlias

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl.core import GzipPacked

from ops.sandbox.errors import ProtocolViolation, RpcError

# Telethon publishes no types: every TL object is an Any with a name that says what it is.
Tl: TypeAlias = Any

_GZIP_PACKED = struct.pack("<I", GzipPacked.CONSTRUCTOR_ID)
_VECTOR = struct.pack("<I", 0x1CB5C415)
_BOOL = {True: struct.pack("<I", 0x997275B5), False: struct.pack("<I", 0xBC799737)}
_UNZIPPED_LIMIT = 8 * 1024 * 1024
_WORTH_ZIPPING = 512


def read(body: bytes) -> Tl:
    """One TL object; RpcError as Telegram words it when the bytes are no object of this layer."""
    try:
        return BinaryReader(body).tgread_object()
    except TypeNotFoundError as unknown:
        raise RpcError(400, f"INPUT_METHOD_INVALID_{unknown.invalid_constructor_id}_{len(body)}") from None
    except (BufferError, IndexError, RuntimeError, ValueError, OverflowError, struct.error):
        raise RpcError(400, "INPUT_FETCH_ERROR") from None


def read_measured(body: bytes) -> tuple[Tl, int]:
    """One TL object at the head of `body` and how many bytes it took; ProtocolViolation if there is none."""
    reader = BinaryReader(body)
    try:
        return reader.tgread_object(), reader.tell_position()
    except (TypeNotFoundError, BufferError, IndexError, RuntimeError, ValueError, struct.error):
        raise ProtocolViolation("expected a TL object") from None


def write(result: Tl) -> bytes:
    """A result as bytes: a TL object, a bool, or a list of these as a bare `vector`."""
    if isinstance(result, bool):
        return _BOOL[result]
    if isinstance(result, list):
        return _VECTOR + struct.pack("<i", len(result)) + b"".join(write(item) for item in result)
    return bytes(result)


def zipped(body: bytes) -> bytes:
    """`body` as `gzip_packed` when that is worth it, else as it is."""
    if len(body) <= _WORTH_ZIPPING:
        return body
    packed = bytes(GzipPacked(body))
    return packed if len(packed) < len(body) else body


def unzipped(body: bytes) -> bytes:
    """What is inside `gzip_packed`, or `body` itself; ProtocolViolation for a broken or a giant one."""
    if not body.startswith(_GZIP_PACKED):
        return body
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = inflate.decompress(BinaryReader(body[4:]).tgread_bytes(), _UNZIPPED_LIMIT)
    except (BufferError, IndexError, struct.error, zlib.error, gzip.BadGzipFile):
        raise ProtocolViolation("broken gzip") from None
    if not inflate.eof:
        raise ProtocolViolation("gzip that is cut off or too big")
    return content


def method_name(request: Tl) -> str:
    """A request's name as the documentation writes it, such as `auth.sendCode`."""
    kind = type(request)
    name = kind.__name__.removesuffix("Request")
    space = kind.__module__.removeprefix("telethon.tl.functions").lstrip(".")
    name = name[0].lower() + name[1:]
    return f"{space}.{name}" if space else name
