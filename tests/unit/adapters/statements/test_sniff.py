"""Kinds of files are told by their first bytes."""

import pytest

from adapters.statements.sniff import Kind, sniff


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", Kind.EMPTY),
        (b" \r\n\t", Kind.EMPTY),
        (b"\xef\xbb\xbf", Kind.EMPTY),
        (b"\x00\x00\x00", Kind.BINARY),
        (b'<?xml version="1.0"?><Document/>', Kind.XML),
        (b"\xef\xbb\xbf<Document/>", Kind.XML),
        ("<Document/>".encode("utf-16"), Kind.XML),
        ("<Document/>".encode("utf-16-le"), Kind.XML),
        ("<Document/>".encode("utf-16-be"), Kind.XML),
        (b"PK\x03\x04 .. [Content_Types].xml", Kind.XLSX),
        (b"PK\x03\x04 .. a.xml", Kind.ARCHIVE),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", Kind.XLS),
        (b"%PDF-1.7\n", Kind.PDF),
        (b"\x1f\x8b\x08", Kind.ARCHIVE),
        (b"<html><table>", Kind.HTML),
        (b"<!DOCTYPE html><html>", Kind.HTML),
        (
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            Kind.SPREADSHEETML,
        ),
        (b":20:STARTUMS\r\n:25:1/2\r\n:28C:1\r\n:60F:C260302VND0,\r\n", Kind.MT940),
        (b"{1:F01BANKVNVXXXXX0000000000}{2:O940", Kind.MT940),
        (b":20:X\n:25:1\n:34F:VND0,\n:13D:2603021200+0700\n:61:", Kind.MT942),
        (b"OFXHEADER:100\nDATA:OFXSGML\n", Kind.OFX),
        (b'<?xml version="1.0"?><?OFX OFXHEADER="200"?><OFX>', Kind.OFX),
        (b"01,SENDER,RECEIVER,260302,1200,1,80,1,2/\n02,", Kind.BAI2),
        ("Ngày;Nợ;Có\n".encode(), Kind.TEXT),
        ("Ngày\tNợ\tCó\n".encode("utf-16"), Kind.TEXT),
        (bytes(range(32)) * 40, Kind.BINARY),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), Kind.BINARY),
    ],
)
def test_the_kind_is_told_by_content(head: bytes, kind: Kind) -> None:
    assert sniff(head) is kind
