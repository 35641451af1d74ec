"""A QR text as an image that phones read from a cheap screen or a bad print."""

from io import BytesIO
from typing import Final

import segno

_ERROR_CORRECTION: Final = "m"
_QUIET_ZONE: Final = 4
"""Modules of white around the code, as ISO/IEC 18004 demands."""


def qr_svg(payload: str, *, scale: int = 5) -> bytes:
    """Return an SVG document; scales without loss, ``scale`` units for a module.

    The white is drawn too: on a dark page an image without it could not be scanned.
    """
    return _draw(payload, "svg", scale)


def qr_png(payload: str, *, scale: int = 8) -> bytes:
    """Return a PNG of two colours, ``scale`` pixels for a module."""
    return _draw(payload, "png", scale)


def _draw(payload: str, kind: str, scale: int) -> bytes:
    code = segno.make(payload, error=_ERROR_CORRECTION, micro=False, boost_error=False)
    image = BytesIO()
    code.save(image, kind=kind, scale=scale, border=_QUIET_ZONE, dark="#000", light="#fff")
    return image.getvalue()
