"""QR images are read back by a real scanner library."""

import re
import struct
import zlib

import numpy as np
import numpy.typing as npt
import zxingcpp
from lxml import etree

from adapters.gateways.qr_image import qr_png, qr_svg
from adapters.gateways.vietqr import build_vietqr
from core.money import Money

PAYLOAD = build_vietqr("970436", "0071000123456", Money(150_000), "MC1234567ABC LE PHI")


def pixels(png: bytes) -> npt.NDArray[np.uint8]:
    """Decode a PNG of one bit per pixel (filters 0 and 2) as black 0 and white 255."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, data, palette, size = 8, b"", b"", (0, 0)
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        chunk = png[place + 8 : place + 8 + length]
        place += 12 + length
        if kind == b"IHDR":
            width, height, depth = struct.unpack(">IIB", chunk[:9])
            assert depth == 1
            size = (width, height)
        elif kind == b"IDAT":
            data += chunk
        elif kind == b"PLTE":
            palette = chunk
    width, height = size
    stride = (width + 7) // 8
    rows = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, stride + 1)
    lines: list[npt.NDArray[np.uint8]] = [np.zeros(stride, np.uint8)]
    for row in rows:
        assert row[0] in {0, 2}
        # Filter 2 says the bytes are added to those of the line above, modulo 256.
        lines.append(row[1:] + (lines[-1] if row[0] == 2 else 0))
    bits = np.unpackbits(np.array(lines[1:]), axis=1)[:, :width]
    white_is_one = not palette or palette[3:6] == b"\xff\xff\xff"
    return np.where(bits == int(white_is_one), 255, 0).astype(np.uint8)


def test_a_scanner_reads_the_png_back() -> None:
    found = zxingcpp.read_barcode(pixels(qr_png(PAYLOAD)))

    assert found is not None
    assert found.text == PAYLOAD


def test_a_scanner_reads_a_small_print() -> None:
    found = zxingcpp.read_barcode(pixels(qr_png(PAYLOAD, scale=3)))

    assert found is not None
    assert found.text == PAYLOAD


def test_the_svg_is_well_formed_and_scales() -> None:
    small, large = (etree.fromstring(qr_svg(PAYLOAD, scale=scale)) for scale in (2, 10))

    assert small.tag.endswith("svg")
    assert int(large.get("width")) == 5 * int(small.get("width"))


def drawn(svg: bytes) -> npt.NDArray[np.uint8]:
    """Draw the strokes of an SVG (moves and horizontal lines) as modules of 4 by 4 pixels."""
    document = etree.fromstring(svg)
    white, black = document.iter("{*}path")
    assert white.get("fill") == "#fff"
    assert black.get("stroke") == "#000"
    scale = int(re.fullmatch(r"scale\((\d+)\)", black.getparent().get("transform"))[1])
    size = int(document.get("width")) // scale
    modules = np.full((size, size), 255, np.uint8)
    x, y = 0.0, 0.0
    for command, one, two in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", black.get("d")):
        if command == "h":
            modules[int(y), int(x) : int(x + float(one))] = 0
            x += float(one)
        elif command == "m":
            x, y = x + float(one), y + float(two)
        else:
            x, y = float(one), float(two)
    return np.kron(modules, np.ones((4, 4), np.uint8))


def test_a_scanner_reads_the_svg_back() -> None:
    found = zxingcpp.read_barcode(drawn(qr_svg(PAYLOAD)))

    assert found is not None
    assert found.text == PAYLOAD


def test_the_white_around_the_code_is_part_of_the_image() -> None:
    modules = drawn(qr_svg(PAYLOAD))[::4, ::4]

    for edge in (modules[:4], modules[-4:], modules[:, :4], modules[:, -4:]):
        assert (edge == 255).all()
    document = etree.fromstring(qr_svg(PAYLOAD))
    white = next(document.iter("{*}path"))
    assert white.get("d").startswith("M0 0h")


def test_an_open_code_is_read_back_too() -> None:
    payload = build_vietqr("970436", "0071000123456", None, "MC1234567ABC")

    assert zxingcpp.read_barcode(pixels(qr_png(payload))).text == payload
