"""One run of the matcher: all three layers over one collecting account."""

from collections.abc import Callable

from reconciliation.matching import closed, direct, payout, provider
from reconciliation.matching.arrays import Bools
from reconciliation.matching.closed import Closed
from reconciliation.matching.conclude import conclude, flag_missing
from reconciliation.matching.decisions import Decisions
from reconciliation.matching.model import Contracts, MatchInputs, MatchResult
from reconciliation.matching.said import Said
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind

Closing = Callable[[Tables, Contracts, Said, Bools], Closed]


def run(inputs: MatchInputs, *, closing: Closing = closed.find) -> MatchResult:
    """Decide every item of the inputs, in every layer it passes through.

    The same inputs give the same result in every row order, and whichever closed pairs are taken
    out before the rest is looked at. No match is a guess: what more than one reading fits is
    flagged.

    Raises:
        MatchInputError: an id stands twice in its frame.
    """
    return decide(Tables.of(inputs), inputs.contracts, closing=closing)


def decide(tables: Tables, contracts: Contracts, *, closing: Closing = closed.find) -> MatchResult:
    """The same of tables, so that the frames they were made of need not be kept."""
    decisions = Decisions(tables)
    side = payout.split(decisions.tables, contracts)
    payout.decide(decisions, side, contracts)
    said = Said.of(decisions.tables, contracts, side.bank)
    pairs = closing(decisions.tables, contracts, said, side.bank)
    pairs.decide(decisions)
    _decide_rest(decisions, pairs, contracts, said, side.bank)
    return conclude(decisions, contracts, side.bank)


def _decide_rest(
    decisions: Decisions, pairs: Closed, contracts: Contracts, said: Said, payout_bank: Bools
) -> None:
    """The layers between payments and lines, over what is in no closed pair."""
    rows = pairs.rest(decisions.tables)
    bank = rows[ItemKind.BANK]
    rest = Decisions(decisions.tables.at(rows))
    known = said.at(rest.tables, bank, rows[ItemKind.SETTLEMENT])
    provider.decide(rest, contracts, known)
    direct.decide(rest, contracts, known, payout_bank[bank])
    flag_missing(rest, contracts)
    decisions.take_over(rest, rows)
