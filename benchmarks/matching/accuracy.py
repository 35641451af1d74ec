"""Take the figures of ``docs/accuracy.md`` and write the page; run by ``make accuracy``."""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.matching import false_readings
from benchmarks.matching.contest import CONTESTANTS, PEERS, ROOT, SEED, data_set, run
from benchmarks.matching.generate import NOISE_SHARE
from benchmarks.matching.kinds import GROUPS
from benchmarks.matching.race import figures_of, machine
from payments.references import DATA_SYMBOLS

FIGURES: Final = ROOT / "docs" / "accuracy.json"
PAGE: Final = ROOT / "docs" / "accuracy.md"
TEMPLATE: Final = Path(__file__).with_name("accuracy_page.md")
CONFIDENCE: Final = 0.95
OURS: Final = "doisoat"
RISKS: Final = 6


def main() -> None:
    """Measure, unless only the page is wanted, and write."""
    options = _options()
    if options.readings:
        figures = json.loads(FIGURES.read_text(encoding="utf-8"))
        _save(figures | {"readings": _measure_readings(options)})
    elif not options.page:
        _save(measure(options))
    PAGE.write_text(page(json.loads(FIGURES.read_text(encoding="utf-8"))), encoding="utf-8")


def _save(figures: dict[str, Any]) -> None:
    first, *others = figures["sizes"].values()  # kinds of others are shown at the first size only
    for ones in others if "kinds" in first.get(OURS, {}) else []:
        for name, one in ones.items():
            if name != OURS:
                one.pop("kinds", None)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _measure_readings(options: argparse.Namespace) -> dict[str, Any]:
    return false_readings.measure(options.bills, options.texts, SEED)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--readings", action="store_true", help="only count the readings again")
    parser.add_argument("--sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--largest", type=int, default=1_000_000, help="for ours and the cascade")
    parser.add_argument("--bills", type=int, default=false_readings.BILLS)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--folder", default="var/matching")
    parser.add_argument("--timeout", type=float, default=900)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everybody at every size they can do, and the arithmetic of damaged readings."""
    sizes: dict[str, Any] = {}
    for payments in sorted({*options.sizes, options.largest}):
        data = data_set(Path(options.folder), payments)
        sizes[str(payments)] = one_size = {}
        for one in CONTESTANTS:
            absent = one.is_peer and (payments not in options.sizes or not PEERS.exists())
            if not one.graded or absent or payments > (one.most or payments):
                continue
            with tempfile.TemporaryDirectory(dir=options.folder) as out:
                one_size[one.name] = figures_of(
                    [run(one, data, Path(out), timeout=options.timeout)]
                )
            print(payments, one.name, {k: v for k, v in one_size[one.name].items() if k != "kinds"},
                  flush=True)  # fmt: skip
    readings = _measure_readings(options)
    return {"machine": machine(), "seed": SEED, "sizes": sizes, "readings": readings}


# --- the page -------------------------------------------------------------------------------------


def page(figures: dict[str, Any]) -> str:
    """The page of some figures."""
    readings = figures["readings"]
    parts = {
        "summary": _summary(figures),
        "share": f"{NOISE_SHARE:.0%}",
        "peers": _peers(figures),
        "kinds": _kinds(figures),
        "bills": f"{readings['bills']:,}",
        "density": f"{readings['bills'] / 32**DATA_SYMBOLS:.2e}",
        "agree": f"{readings['amounts_agree']:.3f}",
        "texts": f"{readings['kinds'][0]['texts']:,}",
        "readings": _readings(readings),
        "risk": _risk(readings),
        "once": f"{32**DATA_SYMBOLS / readings['bills']:,.0f}",
        "once_amount": f"{1 / readings['amounts_agree']:.0f}",
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def upper_bound(count: int, among: int) -> float:
    """The highest rate that gives so few with 5 % probability or more (Poisson, one-sided)."""
    low, high = float(count), 3.0 + 3 * count + 10
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        terms = (
            math.exp(k * math.log(middle) - middle - math.lgamma(k + 1)) for k in range(count + 1)
        )
        low, high = (middle, high) if sum(terms) > 1 - CONFIDENCE else (low, middle)
    return high / among if among else math.nan


def _largest(figures: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The largest data set that ours has finished."""
    done = [
        int(size)
        for size, ones in figures["sizes"].items()
        if "failed" not in ones.get(OURS, {"failed": ""})
    ]
    return max(done), figures["sizes"][str(max(done))]


def _summary(figures: dict[str, Any]) -> str:
    payments, ones = _largest(figures)
    ours = ones[OURS]
    bound = upper_bound(ours["false"], ours["made"])
    recall = ours["found"] / ours["required"]
    head = f"Of {payments:,} payments (seed {figures['seed']}) the matcher made {ours['made']:,}"
    return f"""{head} matches:

- **false: {ours["false"]:,}**, that is a rate below {bound:.1e} (95 % upper bound);
- of the {ours["required"]:,} matches that the evidence determines, {ours["found"]:,}:
  **recall {recall:.6f}**;
- of {ours["flags_required"]:,} items that must be flagged, {ours["flags_right"]:,} are,
  with the right type;
- lost {ours["lost"]:,}, counted twice {ours["counted_twice"]:,},
  unbalanced {ours["unbalanced"]:,}, flagged without being due {ours["not_due"]:,}."""


def _peers(figures: dict[str, Any]) -> str:
    lines: list[str] = []
    for size, ones in figures["sizes"].items():
        lines += [
            f"{int(size):,} payments:",
            "",
            "| | matches | false | rate | at most | recall | lost | CPU s | peak MB |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        for name, one in ones.items():
            if "failed" in one:
                lines.append(f"| {name} | {one['failed']} | | | | | | | |")
                continue
            rate = one["false"] / (one["made"] or 1)
            lines.append(
                f"| {name} | {one['made']:,} | {one['false']:,} | {rate:.1e} |"
                f" {upper_bound(one['false'], one['made']):.1e} |"
                f" {one['found'] / (one['required'] or 1):.4f} | {one['lost']:,} |"
                f" {one['cpu']:.1f} | {one['peak']:.0f} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip()


def _kinds(figures: dict[str, Any]) -> str:
    payments, ones = _largest(figures)
    mine = ones[OURS]["kinds"]
    shared = max(
        (size for size, all_ in figures["sizes"].items() if len(all_) > 1),
        key=lambda size: (
            sum("kinds" in one for one in figures["sizes"][size].values()),
            int(size),
        ),
    )
    others = {
        name: one["kinds"]
        for name, one in figures["sizes"][shared].items()
        if name != OURS and "kinds" in one
    }
    said = f"""The columns from *matches* to *lost* are ours at {payments:,} payments: matches made
of those required, flags of the right type of those required, false matches, items lost. Behind
them are others at {int(shared):,}: matches made of those required, false ones after a plus."""
    lines = [said]
    for title, kinds in GROUPS.items():
        heads = ["kind", "what it is", "matches", "flags", "false", "lost", *others]
        lines += ["", f"### {title}", "", f"| {' | '.join(heads)} |"]
        lines.append("|---|---|--:|--:|--:|--:|" + "--:|" * len(others))
        for kind, what in kinds.items():
            one = mine.get(kind)
            ours = ["-"] * 4 if one is None else [
                _of(one["found"], one["required"]), _of(one["flags_right"], one["flags_required"]),
                f"{one['false']:,}", f"{one['lost']:,}",
            ]  # fmt: skip
            cells = [_peer_cell(table.get(kind)) for table in others.values()]
            lines.append(f"| {' | '.join([kind.replace('_', ' '), what, *ours, *cells])} |")
    return "\n".join(lines)


def _of(right: int, required: int) -> str:
    return f"{right:,} of {required:,}" if required else "-"


def _peer_cell(one: dict[str, int] | None) -> str:
    if one is None:
        return "-"
    wrong = f" +{one['false']}" if one["false"] else ""
    return f"{one['found']}/{one['required']}{wrong}" if one["required"] else wrong.strip() or "0"


def _readings(readings: dict[str, Any]) -> str:
    heads = ["the text", "derived", "how", "expected", "counted", "known expected", "known counted",
             "false in a million"]  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "|---|--:|---|--:|--:|--:|--:|--:|"]
    for one in readings["kinds"]:
        false = f"{remaining(one, readings):.2g}" if one["loses_truth"] else "0: a rival is flagged"
        lines.append(
            f"| {one['name']} | {one['derived']:.3g} | {one['how']} | {one['expected']:,.0f} |"
            f" {one['seen']:,} | {one['expected_known']:.1f} | {one['seen_known']} | {false} |"
        )
    return "\n".join(lines)


def remaining(one: dict[str, Any], readings: dict[str, Any]) -> float:
    """False matches to be expected in a million texts of a kind."""
    density = readings["bills"] / 32**DATA_SYMBOLS
    return float(one["derived"] * density * readings["amounts_agree"] * 1_000_000)


def _risk(readings: dict[str, Any]) -> str:
    risky = [one for one in readings["kinds"] if one["loses_truth"] and one["derived"]]
    risky.sort(key=lambda one: -one["derived"])
    named = [f"- {one['name']}: {remaining(one, readings):.2g}" for one in risky[:RISKS]]
    return "\n".join(named)


if __name__ == "__main__":
    main()
