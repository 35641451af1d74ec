"""Checks what certificates state against the inputs, with none of the code that wrote them."""

import datetime as dt
import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from payments.references import canonical, fold, is_codeword
from reconciliation.matching.certificates.model import Certificate, Finding
from reconciliation.matching.model import MatchInputs, MatchResult

Row = Mapping[str, Any]
KINDS = {"payment": "payments", "settlement": "settlements", "bank": "bank"}


def alnum(text: str) -> str:
    return "".join(c for c in fold(text) if c.isascii() and c.isalnum())


def words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in fold(text)).split())


def local_day(value: Any) -> str:
    """The calendar day at +07:00."""
    moment: dt.datetime = value.to_pydatetime()
    local = moment.astimezone(dt.timezone(dt.timedelta(hours=7))) if moment.tzinfo else moment
    return local.date().isoformat()


class Checker:
    """The inputs as rows by id, and what was decided about each."""

    def __init__(self, inputs: MatchInputs, result: MatchResult) -> None:
        self.contracts = inputs.contracts
        self.prefix = canonical(inputs.contracts.reference_prefix)
        self.pays = {r["payment_id"]: r for r in inputs.payments.to_dict("records")}
        self.lines = {r["line_id"]: r for r in inputs.settlements.to_dict("records")}
        self.bank = {r["line_id"]: r for r in inputs.bank.to_dict("records")}
        self.of_kind: dict[str, Mapping[str, Row]] = {
            "payment": self.pays, "settlement": self.lines, "bank": self.bank,
        }  # fmt: skip
        self.fates: dict[tuple[str, str, str], tuple[str, str]] = {}
        self.rules: dict[str, str] = {}
        for r in result.matches.to_dict("records"):
            self.fates[r["layer"], r["item_kind"], r["item_id"]] = ("matched", r["match_id"])
            self.rules[r["match_id"]] = r["rule"]
        for r in result.mismatches.to_dict("records"):
            key = r["layer"], r["item_kind"], r["item_id"]
            self.fates[key] = (r["type"], r["mismatch_id"])
        self.bills = {k: canonical(r["bill_reference"]) for k, r in self.pays.items()}
        self.known = set(self.bills.values()) - {""}
        self.said = {k: canonical(r["narrative"]) for k, r in self.bank.items()}
        self.sent = self._payouts()
        self.sorts: dict[str, int] = defaultdict(int)
        """How often each kind of statement was checked."""

    # --- what items are -----------------------------------------------------------------------

    def own(self, layer: str, kind: str, item: str) -> int:
        row = self.of_kind[kind][item]
        if kind == "settlement":
            return int(row["gross" if layer == "provider" else "net"])
        negative = kind == "payment" and row["kind"] != "payment"
        return -int(row["amount"]) if negative else int(row["amount"])

    def _payouts(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for item, row in self.lines.items():
            if self.fates["payout", "settlement", item][0] in ("duplicate_line", "amount_mismatch"):
                continue
            day = f"{row['payout_date']:%Y-%m-%d}"
            name = row["payout_id"].strip() or f"{row['provider']} {day}"
            found[row["provider"], name].append(row)
        return found

    # --- certificates -------------------------------------------------------------------------

    def check(self, certificate: Certificate) -> None:
        layer = str(certificate.layer)
        for item in (*certificate.items, *certificate.candidates):
            assert item.amount == self.own(layer, str(item.kind), item.id)
            assert item.currency == self.of_kind[str(item.kind)][item.id]["currency"]
        findings = (*certificate.evidence, *certificate.rivals)
        for finding in findings:
            check = self._check_of(finding.code)
            self.sorts[finding.code] += 1
            assert check(finding.parameters, certificate, finding) is None
        self._readings(certificate.evidence)

    def _check_of(self, code: str) -> Any:
        """The check of a code, or that of its beginning; a code without any is a failure."""
        name = "_" + code.replace(".", "_")
        while not hasattr(self, name):
            name = name.rpartition("_")[0]
            assert name, f"nothing checks {code}"
        return getattr(self, name)

    def _txn_id_equal(self, p: Row, *_: Any) -> None:
        pay, line = self.pays[p["payment"]], self.lines[p["line"]]
        assert p["id"] == pay["provider_txn_id"] == line["provider_txn_id"] != ""
        assert p["provider"] == pay["channel"] == line["provider"]

    def _txn_id_unknown(self, p: Row, *_: Any) -> None:
        line = self.lines[p["line"]]
        assert p["id"] == line["provider_txn_id"] != ""
        where = line["provider"], line["kind"], p["id"]
        assert where not in {
            (r["channel"], r["kind"], r["provider_txn_id"]) for r in self.pays.values()
        }

    def _txn_id_empty(self, p: Row, *_: Any) -> None:
        assert self.lines[p["line"]]["provider_txn_id"] == ""

    def _place(self, p: Row, text: str) -> None:
        assert text[int(p["start"]) - 1 : int(p["end"])] == p["text"] != ""

    def _reference_narrative(self, p: Row, *_: Any) -> None:
        self._place(p, self.bank[p["line"]]["narrative"])
        assert self.bills[p["payment"]] == p["reference"]
        assert canonical(p["text"]) == p["read"]

    def _reference_field(self, p: Row, *_: Any) -> None:
        self._place(p, self.lines[p["line"]]["bill_reference"])
        assert self.bills[p["payment"]] == p["reference"]
        assert canonical(p["text"]) == p["read"]

    def _reference_whole(self, p: Row, *_: Any) -> None:
        assert is_codeword(p["reference"].removeprefix(self.prefix))

    def _folding(self, p: Row, *_: Any) -> None:
        assert canonical(p["was"]) == p["read"] != p["was"]

    def _repair(self, *_: Any) -> None:
        """Checked with its reading."""

    def _readings(self, evidence: Sequence[Finding]) -> None:
        """What was read, mended as stated, is the reference."""
        for at, found in enumerate(evidence):
            if found.code not in ("reference.narrative", "reference.field"):
                continue
            p = found.parameters
            after = itertools.takewhile(
                lambda f: not f.code.startswith("reference.") or f.code == "reference.whole",
                evidence[at + 1 :],
            )
            own = [
                f
                for f in after
                if (f.parameters.get("line"), f.parameters.get("reference"))
                == (p["line"], p["reference"])
            ]
            repairs = [f for f in own if f.code.startswith("repair.")]
            assert bool(repairs) != any(f.code == "reference.whole" for f in own)
            assert self.mended(p["read"], repairs) == p["reference"]

    def mended(self, read: str, repairs: Sequence[Finding]) -> str:
        said = {f.code.removeprefix("repair."): f.parameters for f in repairs}
        if p := said.get("prefix_lost"):
            read = p["lost"] + read
        if p := said.get("cut_start"):
            read = p["meant"] + read
        if p := said.get("prefix_damaged") or said.get("prefix_swapped"):
            assert read.startswith(p["was"])
            read = p.get("prefix", p.get("meant")) + read[len(p["was"]) :]
        head, code = read[: len(self.prefix)], read[len(self.prefix) :]
        if p := said.get("cut_end"):
            code += p["meant"]
        if p := said.get("wrong"):
            at = int(p["place"]) - 1
            assert code[at] == p["was"]
            code = code[:at] + p["meant"] + code[at + 1 :]
        if p := said.get("swapped"):
            at = int(p["place"]) - 1
            assert (code[at : at + 2], int(p["other"])) == (p["was"], at + 2)
            code = code[:at] + p["meant"] + code[at + 2 :]
        if p := said.get("added"):
            at = int(p["place"]) - 1
            assert code[at] == p["was"]
            code = code[:at] + code[at + 1 :]
        if p := said.get("dropped"):
            at = int(p["place"]) - 1
            code = code[:at] + p["meant"] + code[at:]
        return head + code

    def _dossier_read(self, p: Row, *_: Any) -> None:
        self._place(p, self.bank[p["line"]]["narrative"])
        assert self.pays[p["payment"]]["dossier_code"] == p["dossier"]
        assert canonical(p["text"]) == canonical(p["dossier"])

    def _dossier_cut(self, p: Row, *_: Any) -> None:
        narrative = self.bank[p["line"]]["narrative"]
        self._place(p, narrative)
        assert canonical(narrative[int(p["end"]) :]) == ""
        assert self.pays[p["payment"]]["dossier_code"] == p["dossier"]
        assert canonical(p["text"]) == canonical(p["dossier"])[: -int(p["count"])]

    def _bank_ref_equal(self, p: Row, *_: Any) -> None:
        assert p["id"] == self.pays[p["payment"]]["provider_txn_id"] != ""
        assert [k for k, r in self.bank.items() if r["bank_ref"] == p["id"]] == [p["line"]]

    def _sum_differs(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert p["left"] != p["right"]
        assert int(p["right"]) - int(p["left"]) == int(p["difference"])
        assert (certificate.expected, certificate.actual) == (p["left"], p["right"])

    def _sum(self, p: Row, certificate: Certificate, _: Finding) -> None:
        left = {"provider": "payment", "payout": "settlement", "direct": "payment"}
        mine = [i for i in certificate.items if str(i.kind) == left[str(certificate.layer)]]
        theirs = [i for i in certificate.items if i not in mine]
        assert (int(p["left"]), int(p["left_count"])) == (sum(i.amount for i in mine), len(mine))
        assert (int(p["right"]), int(p["right_count"])) == (int(p["left"]), len(theirs))

    def _contracted(self, gross: int, provider: str) -> int:
        terms = self.contracts.providers[provider]
        share = Decimal(gross) * terms.rate_bps / 10_000
        return int(share.quantize(Decimal(1), ROUND_HALF_UP)) + terms.fixed

    def _fee_contract(self, p: Row, *_: Any) -> None:
        line = self.lines[p["line"]]
        assert {n: int(p[n]) for n in ("gross", "fee", "net")} == {
            n: line[n] for n in ("gross", "fee", "net")
        }
        assert int(p["contracted"]) == self._contracted(line["gross"], line["provider"])

    def _fee_none(self, p: Row, *_: Any) -> None:
        line = self.lines[p["line"]]
        assert line["kind"] != "payment"
        assert (int(p["fee"]), int(p["net"])) == (line["fee"], line["net"])

    def _fee_together(self, p: Row, certificate: Certificate, _: Finding) -> None:
        lines = [self.lines[i.id] for i in certificate.items if i.kind == "settlement"]
        assert int(p["fee"]) == sum(r["fee"] for r in lines) == int(p["contracted"])
        gross = sum(r["gross"] for r in lines)
        assert int(p["contracted"]) == self._contracted(gross, lines[0]["provider"])

    def _fee_net(self, p: Row, *_: Any) -> None:
        line = self.lines[p["line"]]
        assert int(p["expected"]) == line["gross"] - line["fee"] != line["net"] == int(p["net"])

    def _payout_net(self, p: Row, *_: Any) -> None:
        rows = self.sent[p["provider"], p["payout"]]
        assert (int(p["lines"]), int(p["net"])) == (len(rows), sum(r["net"] for r in rows))
        assert p["day"] == f"{min(r['payout_date'] for r in rows):%Y-%m-%d}"

    def _payout_id(self, p: Row, *_: Any) -> None:
        self._place(p, self.bank[p["line"]]["narrative"])
        assert alnum(p["text"]) == alnum(p["payout"]) != ""

    def _payout_no_id(self, p: Row, *_: Any) -> None:
        said = self.bank[p["line"]]["narrative"]
        ids = {r["payout_id"].strip() for r in self.lines.values()} - {""}
        assert not any(re.search(rf"\b{re.escape(one)}\b", said) for one in ids)

    def _payout_sender(self, p: Row, *_: Any) -> None:
        row, terms = self.bank[p["line"]], self.contracts.providers[p["provider"]]
        if p["by"] == "account":
            assert p["text"] == row["counterparty_account"]
            assert alnum(p["text"]) in {alnum(one) for one in terms.payout_accounts}
        elif p["by"] == "name":
            assert p["text"] == row["counterparty_name"]
            assert words(p["text"]) in {words(one) for one in terms.payout_names}
        else:
            assert p["text"] == row["narrative"]
            assert words(p["text"]).startswith(tuple(words(one) for one in terms.payout_names))

    def _inside(self, p: Row) -> bool:
        assert p["value_date"] == f"{self.bank[p['line']]['value_date']:%Y-%m-%d}"
        first, last = dt.date.fromisoformat(p["first"]), dt.date.fromisoformat(p["last"])
        assert last - first == dt.timedelta(days=7)
        return first <= dt.date.fromisoformat(p["value_date"]) <= last

    def _payout_window(self, p: Row, *_: Any) -> None:
        assert self._inside(p)

    def _payout_window_outside(self, p: Row, *_: Any) -> None:
        assert not self._inside(p)

    def _payout_combination(self, p: Row, certificate: Certificate, finding: Finding) -> None:
        """Counted one by one over everything that no id had matched."""
        assert p["count"] == "1"
        banks = [i for i in certificate.items if i.kind == "bank"]
        first = next(i for i in certificate.items if i.kind == "settlement")
        provider = self.lines[first.id]["provider"]
        if finding.code.endswith("payouts"):
            (bank,) = banks
            assert int(p["sum"]) == bank.amount
            day = self.bank[bank.id]["value_date"]
            own = {self.lines[i.id]["payout_id"] for i in certificate.items if i.kind != "bank"}
            near = [
                sum(r["net"] for r in rows)
                for (who, _), rows in self.sent.items()
                if who == provider
                and not self._by_id("settlement", rows[0]["line_id"])
                and (
                    0 <= (day - min(r["payout_date"] for r in rows)).days <= 7
                    or rows[0]["payout_id"] in own
                )
            ]
        else:
            near = self._near_credits(provider, [i.id for i in certificate.items])
        assert len(near) == int(p["among"])
        ways = [
            chosen
            for size in range(1, len(near) + 1)
            for chosen in itertools.combinations(range(len(near)), size)
            if all(near[i] > 0 for i in chosen) and sum(near[i] for i in chosen) == int(p["sum"])
        ]
        assert len(near) <= 16
        assert len(ways) == 1

    def _near_credits(self, provider: str, items: Sequence[str]) -> list[int]:
        lines = [self.lines[i] for i in items if i in self.lines]
        start = min(r["payout_date"] for r in lines)
        terms = self.contracts.providers[provider]
        accounts = {alnum(one) for one in terms.payout_accounts}
        names = {words(one) for one in terms.payout_names}
        dropped = ("duplicate_line", "amount_mismatch", "duplicate_payment")
        return [
            row["amount"]
            for item, row in self.bank.items()
            if self.fates.get(("payout", "bank", item), ("direct",))[0] not in (*dropped, "direct")
            and not self._by_id("bank", item)
            and (
                alnum(row["counterparty_account"]) in accounts
                or words(row["counterparty_name"]) in names
            )
            and 0 <= (row["value_date"] - start).days <= 7
        ]

    def _by_id(self, kind: str, item: str) -> bool:
        return self.rules.get(self.fates["payout", kind, item][1]) == "payout_id"

    def _turn_together(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert p["payments"] == p["lines"]
        assert len(certificate.items) == 2 * int(p["lines"])

    def _days_late(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert self._last(p, certificate) < self.contracts.as_of

    def _days_grace(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert self._last(p, certificate) >= self.contracts.as_of

    def _last(self, p: Row, certificate: Certificate) -> dt.date:
        (item,) = certificate.items
        row = self.of_kind[str(item.kind)][item.id]
        local = dt.timezone(dt.timedelta(hours=7))
        due = (
            row["paid_at"].to_pydatetime().astimezone(local).date()
            if item.kind == "payment"
            else row["payout_date"].date()
        )
        assert (p["due"], p["as_of"]) == (due.isoformat(), self.contracts.as_of.isoformat())
        last = due + dt.timedelta(days=self.contracts.grace_days)
        assert p["last"] == last.isoformat()
        return last

    def _searched_txn_id(self, p: Row, *_: Any) -> None:
        pay = self.pays[p["payment"]]
        same = [
            r
            for r in self.lines.values()
            if (r["provider"], r["provider_txn_id"]) == (pay["channel"], pay["provider_txn_id"])
        ]
        assert int(p["count"]) == (len(same) if pay["provider_txn_id"] else 0)

    def _searched_reference(self, p: Row, *_: Any) -> None:
        plain = sum(p["reference"] in text for text in self.said.values())
        assert int(p["count"]) >= plain

    def _searched_payout(self, p: Row, *_: Any) -> None:
        plain = sum(
            re.search(rf"\b{re.escape(p['payout'])}\b", r["narrative"]) is not None
            for item, r in self.bank.items()
            if ("payout", "bank", item) in self.fates
        )
        assert int(p["count"]) >= plain

    def _status_held(self, p: Row, *_: Any) -> None:
        assert self.pays[p["payment"]]["status"] == p["status"]

    def _item_amount(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert int(p["amount"]) == self.own(str(certificate.layer), p["kind"], p["item"])
        assert p["currency"] == self.of_kind[p["kind"]][p["item"]]["currency"]

    def _narrative_says(self, p: Row, *_: Any) -> None:
        assert self.bank[p["line"]]["narrative"] == p["text"]

    def _narrative_names_none(self, p: Row, *_: Any) -> None:
        assert not any(reference in self.said[p["line"]] for reference in self.known)

    def _narrative_rule(self, p: Row, *_: Any) -> None:
        said = self.bank[p["line"]]["narrative"]
        assert re.search(p["pattern"], " ".join(fold(said).split()), re.IGNORECASE)

    def _resembles_name(self, p: Row, certificate: Certificate, _: Finding) -> None:
        self._resembles_amount(p, certificate, _)
        row = self.bank[certificate.items[0].id]
        assert words(row["counterparty_name"]) == words(self.pays[p["payment"]]["payer_name"])

    def _resembles_amount(self, p: Row, certificate: Certificate, _: Finding) -> None:
        own = self.own("direct", "payment", p["payment"])
        assert own == int(p["amount"]) == certificate.items[0].amount

    def _line_says(self, p: Row, *_: Any) -> None:
        line = self.lines[p["line"]]
        assert (p["provider"], p["id"], p["reference"]) == (
            line["provider"], line["provider_txn_id"] or "—", line["bill_reference"] or "—",
        )  # fmt: skip

    def _line_searched(self, p: Row, certificate: Certificate, _: Finding) -> None:
        line = self.lines[certificate.items[0].id]
        key = line["provider"], line["kind"], line["provider_txn_id"]
        same = [
            r
            for r in self.pays.values()
            if (r["channel"], r["kind"], r["provider_txn_id"]) == key and key[2]
        ]
        assert (p["kind"], int(p["count"])) == (line["kind"], len(same))

    def _again_settled(self, p: Row, certificate: Certificate, _: Finding) -> None:
        layer = str(certificate.layer)
        assert (p["fate"], p["decision"]) == self.fates.get(
            (layer, p["kind"], p["item"]), ("open", "")
        )
        assert int(p["amount"]) == self.own(layer, p["kind"], p["item"])

    def _again_days(self, p: Row, certificate: Certificate, _: Finding) -> None:
        kind = str(certificate.items[0].kind)
        name = "occurred_at" if kind == "settlement" else "value_date"
        for said in p["days"].split(", "):
            item, day = said.split(" ")
            assert day == local_day(self.of_kind[kind][item][name])

    def _repeated_equal(self, p: Row, certificate: Certificate, _: Finding) -> None:
        rows = self.of_kind[str(certificate.items[0].kind)]
        names = p["columns"].split(", ")
        assert all(rows[p["line"]][name] == rows[p["original"]][name] for name in names)
        missing = {"line_id", "report_id"} if "report_id" in rows[p["line"]] else {"line_id"}
        assert set(rows[p["line"]]) - set(names) <= missing

    def _repeated_differs(self, p: Row, *_: Any) -> None:
        assert set(p["columns"].split(", ")) <= {"line_id", "report_id"}

    def _reversal_pair(self, p: Row, *_: Any) -> None:
        credit, debit = self.bank[p["credit"]], self.bank[p["debit"]]
        assert credit["amount"] == -debit["amount"] == int(p["amount"]) > 0
        assert credit["value_date"] <= debit["value_date"]

    def _reversal_unknown(self, p: Row, *_: Any) -> None:
        self._unknown(p)

    def _unknown(self, p: Row) -> None:
        assert p["reference"] in canonical(self.bank[p["line"]]["narrative"])
        assert is_codeword(p["reference"].removeprefix(self.prefix))
        assert p["reference"] not in self.known

    def _ambiguous_count(self, p: Row, *_: Any) -> None:
        assert int(p["payments"]) + int(p["lines"]) >= 3
        assert min(int(p["payments"]), int(p["lines"])) > 0

    def _ambiguous_bills(self, p: Row, *_: Any) -> None:
        bills = set(p["bills"].split(", "))
        assert len(bills) == int(p["count"]) > 1
        assert bills <= self.known

    def _ambiguous_payouts(self, p: Row, *_: Any) -> None:
        assert int(p["payouts"]) + int(p["credits"]) >= 3
        assert min(int(p["payouts"]), int(p["credits"])) > 0

    # --- rivals -------------------------------------------------------------------------------

    def _rival_unknown(self, p: Row, *_: Any) -> None:
        self._unknown(p)

    def _rival_more(self, p: Row, *_: Any) -> None:
        assert int(p["count"]) > 0

    def _rival_payout(self, p: Row, *_: Any) -> None:
        nets = {name: sum(r["net"] for r in rows) for (_, name), rows in self.sent.items()}
        assert nets[p["payout"]] == int(p["net"])

    def _rival_line(self, p: Row, certificate: Certificate, _: Finding) -> None:
        assert p["item"] not in {i.id for i in certificate.items}
        assert int(p["amount"]) == self.own(str(certificate.layer), p["kind"], p["item"])
        name = "value_date" if p["kind"] == "bank" else "occurred_at"
        assert p["day"] == local_day(self.of_kind[p["kind"]][p["item"]][name])
        self._fate(p, certificate, p["kind"])

    def _rival_bill(self, p: Row, _: Certificate, finding: Finding) -> None:
        amounts = {
            self.own("direct", "payment", item)
            for item, bill in self.bills.items()
            if bill == p["reference"]
        }
        assert amounts == {int(one) for one in p["amounts"].split(", ")}
        assert self.bank[p["line"]]["amount"] == int(p["amount"])
        assert (int(p["amount"]) not in amounts) == finding.code.endswith(".amount")

    def _rival(self, p: Row, certificate: Certificate, finding: Finding) -> None:
        if finding.code.startswith("rival.bill"):
            return self._rival_bill(p, certificate, finding)
        assert finding.code.startswith("rival.payment")
        assert p["item"] not in {i.id for i in certificate.items}
        pay = self.pays[p["item"]]
        own = self.own(str(certificate.layer), "payment", p["item"])
        assert (int(p["amount"]), p["status"]) == (own, pay["status"])
        amounts = {i.amount for i in (*certificate.items, *certificate.candidates)}
        why = finding.code.removeprefix("rival.payment.")
        if why == "amount":
            assert own not in {i.amount for i in certificate.items}
        elif why == "opposite":
            assert -own in amounts
        elif why == "status":
            assert pay["status"] in ("failed", "expired", "cancelled")
        elif why == "currency":
            assert pay["currency"] != "VND"
        elif why == "channel":
            assert pay["channel"] == p["channel"] != "bank_transfer"
        else:
            assert why == "equal"
        return self._fate(p, certificate, "payment")

    def _fate(self, p: Row, certificate: Certificate, kind: str) -> None:
        layers = [str(certificate.layer), *(["payout"] if kind == "bank" else [])]
        known = [
            self.fates[one, kind, p["item"]]
            for one in layers
            if (one, kind, p["item"]) in self.fates
        ]
        assert (p["fate"], p["decision"]) == (known[0] if known else ("open", ""))
