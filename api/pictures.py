"""QR pictures: drawn off the loop, and once per token however many pages are waiting for it."""

from __future__ import annotations

import asyncio
import hashlib
import io
from base64 import b64encode
from collections import OrderedDict

import qrcode
from qrcode.image.pure import PyPNGImage

from actors.core.secret import Secret

BOUND = 64


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
    code = qrcode.QRCode(
        error_correction=qrcode.ERROR_CORRECT_M, box_size=8, border=4, image_factory=PyPNGImage
    )
    code.add_data(url.reveal())
    code.make(fit=True)
    png = io.BytesIO()
    code.make_image().save(png)
    return b64encode(png.getvalue()).decode()
