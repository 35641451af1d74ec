"""What became of every file of the statement corpus, by format: the table and its lists."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from adapters.statements.parser import StatementFileParser
from adapters.statements.problems import Code
from reconciliation.ports import LayoutAnswers, Outcome, ParsedFile
from tests.support.statement_corpus import CorpusFile, differences, has_facts


class Verdict(StrEnum):
    """What a reader's answer to a file is worth; the words head the columns of the table."""

    RIGHT = "money right"
    WRONG = "wrong"
    HELD_RIGHT = "held (money right)"
    HELD = "held"
    UNPROVED = "nothing stated"
    REFUSED = "refused"
    NO_PROFILE = "no profile"
    HOSTILE_REFUSED = "hostile refused"
    CRASH = "crash"


FAILURES: Final = frozenset({Verdict.WRONG, Verdict.CRASH})
"""What may not happen to any file."""
_TO_EXPLAIN: Final = (Verdict.REFUSED, Verdict.NO_PROFILE)


ANSWERS: Final[dict[str, dict[str, str]]] = {
    "csv/bank2ynab/20180226-1000594757-umsatz.CSV": {"date_order": "dmy"},
    "csv/bank2ynab/MS_JANE_SMITH_01-12-2019_14-12-2019.csv": {"money_in": "out"},
    "csv/bank2ynab/test_row_format_CD_flag.csv": {"money_in": "out"},
    "csv/bankstatementparser/csv_garbled_amount.csv": {"money_in": "in"},
    "csv/deb-sig/bmo__credit__example-bmo-records.csv": {"money_in": "out"},
    "csv/deb-sig/bocom_credit__example-bocom_credit-records.csv": {"money_in": "out"},
    "csv/deb-sig/td__example-td-records.csv": {"date_order": "mdy", "money_in": "4"},
    "csv/hostile/duplicate_rows.csv": {"money_in": "in"},
    "csv/hostile/formula_injection.csv": {"money_in": "in"},
    "csv/selfmade/multiline_quoted.csv": {"money_in": "in"},
    "csv/selfmade/utf16le_tab.csv": {"money_in": "in"},
    "wallet/deb-sig/example-mt-records.csv": {"currency": "CNY"},
    "wallet/deb-sig/example-wechat-records.csv": {"currency": "CNY"},
    "wallet/deb-sig/example-wechat-records.xlsx": {"currency": "CNY"},
    "xls/selfmade/utf16_tsv.xls": {"date_order": "mdy"},
}
"""What a person who knows the bank says of a table that does not tell."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One file, what its reader's answer is worth, and why in a sentence each."""

    file: CorpusFile
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def reading_of(file: CorpusFile) -> Reading:
    """Read a file by the product's own reader and judge the answer."""
    try:
        parsed = StatementFileParser().parse(file.path)
    except Exception as crash:  # noqa: BLE001 - whatever it is, it is the finding
        return Reading(file, Verdict.CRASH, (repr(crash),))
    return _refusal(file, parsed) if parsed.outcome is Outcome.REFUSED else _judged(file, parsed)


def _judged(file: CorpusFile, parsed: ParsedFile) -> Reading:
    differing = tuple(differences(file, parsed))
    problems = _problems(parsed)
    if parsed.outcome is Outcome.HELD:
        proved = has_facts(file) and not differing
        return Reading(file, Verdict.HELD_RIGHT if proved else Verdict.HELD, differing + problems)
    if differing:
        return Reading(file, Verdict.WRONG, differing)
    return Reading(file, Verdict.RIGHT if has_facts(file) else Verdict.UNPROVED, problems)


def _refusal(file: CorpusFile, parsed: ParsedFile) -> Reading:
    if not file.to_be_read:
        return Reading(file, Verdict.HOSTILE_REFUSED, _problems(parsed))
    if parsed.problems[0].code == Code.NO_PROFILE_FITS:
        return _unknown_layout(file, parsed)
    return Reading(file, Verdict.REFUSED, _problems(parsed))


def _unknown_layout(file: CorpusFile, parsed: ParsedFile) -> Reading:
    """Read a table again by the layout that is proposed for it, once its questions are answered.

    Whose table it is and what it is counted in is answered for every file alike; the rest is in
    ``ANSWERS``. A file with an open question is no profile's, and says which.
    """
    if parsed.proposal is None:
        return Reading(file, Verdict.NO_PROFILE, _problems(parsed))
    currency = str(file.expected.get("currency", "EUR"))
    asked = {question.about for question in parsed.proposal.questions}
    answers = LayoutAnswers(
        account="0000000000" if "account" in asked else "",
        **({"currency": currency} if "currency" in asked else {}) | ANSWERS.get(file.name, {}),
    )
    parser = StatementFileParser()
    proposal = parser.propose(file.path, answers)
    if proposal is None or proposal.questions:
        asked = {q.about for q in proposal.questions} if proposal else set()
        return Reading(file, Verdict.NO_PROFILE, (f"open: {', '.join(sorted(asked))}",))
    return _judged(file, parser.parse_by(file.path, proposal.profile))


def _problems(parsed: ParsedFile) -> tuple[str, ...]:
    return tuple(
        f"{problem.code} {problem.where}: {problem.message}" for problem in parsed.problems
    )


@dataclass
class StatementTable:
    """The readings of a run, printed at its end."""

    readings: dict[str, Reading] = field(default_factory=dict)

    def note(self, reading: Reading) -> None:
        """Take what became of a file."""
        self.readings[reading.file.name] = reading

    def lines(self) -> list[str]:
        """The table, the files held with unproved money, and every refusal to be explained."""
        counts = Counter((r.file.format, r.verdict) for r in self.readings.values())
        formats = sorted({file_format for file_format, _ in counts})
        heads = ["files", *(verdict.value for verdict in Verdict)]
        lines = ["  ".join([f"{'format':<8}", *heads])]
        for row in [*formats, ""]:
            cells = [sum(n for (f, v), n in counts.items() if not row or f == row)]
            for verdict in Verdict:
                among = [n for (f, v), n in counts.items() if v is verdict and row in (f, "")]
                cells.append(sum(among))
            said = [f"{n or '.':>{len(head)}}" for n, head in zip(cells, heads, strict=True)]
            lines.append("  ".join([f"{row or 'all':<8}", *said]))
        lines += self._list("wrong or crashed", *FAILURES)
        lines += self._list("held, and its money is not proved right", Verdict.HELD)
        return lines + self._list("refused though not hostile", *_TO_EXPLAIN)

    def summary(self) -> str:
        """The figures in a line."""
        seen = Counter(reading.verdict for reading in self.readings.values())
        return ", ".join(f"{seen[verdict]} {verdict}" for verdict in Verdict if seen[verdict])

    def _list(self, title: str, *verdicts: Verdict) -> list[str]:
        chosen = [r for r in self.readings.values() if r.verdict in verdicts]
        said = [f"  {r.file.name}: {'; '.join(r.reasons[:3])}" for r in chosen]
        return ["", f"{title}: {len(chosen)}", *said]


STATEMENT_TABLE: Final = StatementTable()
"""The table of this run of the tests."""
