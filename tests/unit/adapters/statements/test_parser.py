"""Any content at all ends in ok, held or refused, and never in an exception."""

from pathlib import Path

import pytest

from adapters.statements.limits import Limits
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from reconciliation.errors import LayoutUnknownError
from reconciliation.ports import Outcome, ParsedFile

CAMT = """<?xml version="1.0" encoding="{encoding}"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>1</Id>
<Acct><Id><Othr><Id>777</Id></Othr></Id><Ccy>VND</Ccy></Acct>{body}</Stmt></BkToCstmrStmt></Document>"""
ENTRY = """<Ntry><Amt Ccy="VND">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-03-02</Dt></BookgDt>{more}</Ntry>"""


def read(folder: Path, content: bytes, **limits: int) -> ParsedFile:
    file = folder / "a file of any name"
    file.write_bytes(content)
    return StatementFileParser(limits=Limits(**limits)).parse(file)


def camt(*entries: str, encoding: str = "UTF-8") -> bytes:
    return CAMT.format(encoding=encoding, body="".join(entries)).encode(encoding)


def entry(amount: str = "1", sign: str = "CRDT", more: str = "") -> str:
    return ENTRY.format(amount=amount, sign=sign, more=more)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+5", "1,5", "-5", "", "0.5", "9" * 19])
def test_an_amount_that_is_none_refuses_the_file_and_names_the_entry(
    tmp_path: Path, amount: str
) -> None:
    parsed = read(tmp_path, camt(entry("1"), entry(amount)))

    assert parsed.outcome is Outcome.REFUSED
    assert parsed.statements == []
    assert [(p.code, p.where) for p in parsed.problems] == [("S200", "Ntry[2]")]


@pytest.mark.parametrize("sign", ["", "CREDIT", "C"])
def test_an_entry_without_direction_is_refused(tmp_path: Path, sign: str) -> None:
    parsed = read(tmp_path, camt(entry(sign=sign)))

    assert (parsed.outcome, parsed.problems[0].code) == (Outcome.REFUSED, "S202")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "S100"),
        (b"\x00" * 100, "S101"),
        (b"%PDF-1.4", "S102"),
        (b":20:X\n:86:no statement\n", "S107"),
        (b"OFXHEADER:100", "S102"),
        (b"01,A,B,260302,1200,1,80,1,2/", "S102"),
        (b"<html><body>log in</body></html>", "S105"),
        (b"PK\x03\x04 a.xml", "S102"),
        (b"PK\x03\x04 xl/workbook.xml", "S104"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "S104"),
        (b"<Document>", "S104"),
        (b"<Document/>", "S104"),
        (b"<note/>", "S105"),
        (b'<!DOCTYPE Document [<!ENTITY a "b">]><Document/>', "S103"),
        (b"a,b\n1,2\n", "S120"),
        (b'a,"b\n1,2\n', "S104"),
        ("ngày,nợ\n".encode("utf-16")[:-1], "S108"),
    ],
)
def test_what_is_no_statement_is_refused_with_a_code(
    tmp_path: Path, content: bytes, code: str
) -> None:
    parsed = read(tmp_path, content)

    assert parsed.outcome is Outcome.REFUSED
    assert [str(p.code) for p in parsed.problems] == [code]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-1"])
def test_a_document_says_its_own_encoding(tmp_path: Path, encoding: str) -> None:
    text = entry(more="<AddtlNtryInf>Lê phí là</AddtlNtryInf>")
    parsed = read(tmp_path, camt(text, encoding=encoding))

    assert parsed.outcome is Outcome.OK
    assert parsed.statements[0].lines[0].narrative == "Lê phí là"


def test_damage_after_a_thousand_good_entries_keeps_nothing(tmp_path: Path) -> None:
    whole = camt(*[entry()] * 1000)

    parsed = read(tmp_path, whole[:-40])

    assert (parsed.outcome, parsed.statements) == (Outcome.REFUSED, [])
    assert read(tmp_path, whole).outcome is Outcome.OK


def test_a_file_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    parsed = read(tmp_path, camt(*[entry()] * 1000), file_bytes=50_000)

    assert parsed.problems[0].code == "S106"


def test_an_entry_without_end_is_refused(tmp_path: Path) -> None:
    parsed = read(tmp_path, camt(entry(more="<x/>" * 400_000)), entry_bytes=500_000)

    assert (parsed.outcome, parsed.problems[0].code) == (Outcome.REFUSED, "S106")


def test_other_xml_of_any_size_is_refused(tmp_path: Path) -> None:
    parsed = read(tmp_path, b"<Document><other>" + b"<x/>" * 100_000 + b"</other></Document>")

    assert parsed.problems[0].code == "S105"


def test_a_profile_that_does_not_exist_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"a,b\n")

    with pytest.raises(LayoutUnknownError):
        StatementFileParser().parse(file, profile="no-such-bank")
    with pytest.raises(LayoutUnknownError):
        SettlementFileParser().parse(file, provider="no-such-provider")


def test_a_named_profile_that_does_not_fit_refuses_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"a,b\n1,2\n")

    parsed = StatementFileParser().parse(file, profile="bidv")

    assert [str(p.code) for p in parsed.problems] == ["S121"]


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    parsed = read(tmp_path, b"")

    assert parsed.sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_problems_of_a_thousand_rows_are_shortened(tmp_path: Path) -> None:
    bad = "02/03/2026;0;x1;;a\n" * 1000
    head = "BIDV\nBÁO CÁO CHI TIẾT SỐ DƯ TÀI KHOẢN\nSố tài khoản: 12010009876543\n"
    table = head + "Ngày hiệu lực;Ghi nợ;Ghi có;Số dư;Mô tả\n" + bad

    parsed = read(tmp_path, table.encode())

    assert parsed.outcome is Outcome.HELD
    assert len(parsed.problems) == Limits().problems + 1
    assert parsed.problems[-1].message == "and 900 more problems"
