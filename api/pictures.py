"""QR pictures: drawn off the loop, and once per token however many pages are waiting for it."""

from __future__ import annotations

import asyncio
import hashlib
import io
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence

import png
import qrcode

from actors.core.secret import Secret

BOUND = 1024
MARGIN = 4
MASK = 3
"""One of the eight patterns that break up what is drawn. Every reader takes any, for the picture says which it is
(ISO/IEC 18004, 7.8). To draw all eight and choose is three quarters of the work, and is for texts that would make
patches by themselves; a login token is random.
"""
SCALE = 8
"""Pixels a module; a multiple of eight, so that every line fills its bytes."""


class Pictures:
    """The PNGs drawn last, as base64. They are kept under the hash of what they show."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._drawn: OrderedDict[bytes, str] = OrderedDict()

    async def qr(self, url: Secret) -> str:
        """The QR of this URL as a PNG in base64."""
        name = hashlib.sha256(url.reveal().encode()).digest()
        picture = self._drawn.get(name)
        if picture is None:
            picture = await asyncio.to_thread(_draw, url)
        self._drawn[name] = picture
        self._drawn.move_to_end(name)
        while len(self._drawn) > self._bound:
            self._drawn.popitem(last=False)
        return picture


def _draw(url: Secret) -> str:
    """Black on white with the four modules of margin that scanners need, whatever the page's theme is."""
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, border=MARGIN, mask_pattern=MASK)
    code.add_data(url.reveal())
    rows = [_packed(row) for row in code.get_matrix()]
    side = len(rows) * SCALE
    picture = io.BytesIO()
    # Every line of pixels is SCALE times the same bytes. qrcode's own image packs each of them bit by bit, which
    # takes ten times as long and keeps the interpreter from everybody else.
    png.Writer(side, side, greyscale=True, bitdepth=1).write_packed(
        picture, [row for row in rows for _ in range(SCALE)]
    )
    return b64encode(picture.getvalue()).decode()


def _packed(row: Sequence[bool]) -> bytearray:
    """One line of pixels, eight a byte; PNG's 0 is black."""
    bits = "".join(("0" if dark else "1") * SCALE for dark in row)
    return bytearray(int(bits, 2).to_bytes(len(bits) // 8, "big"))
