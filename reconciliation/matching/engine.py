"""One run of the matcher: all three layers over one collecting account."""

from reconciliation.matching import direct, payout, provider
from reconciliation.matching.conclude import conclude, flag_missing
from reconciliation.matching.decisions import Decisions
from reconciliation.matching.model import MatchInputs, MatchResult
from reconciliation.matching.references import ReferenceReader
from reconciliation.matching.tables import Tables


def run(inputs: MatchInputs) -> MatchResult:
    """Decide every item of the inputs, in every layer it passes through.

    The same inputs give the same result in every row order. No match is a guess: what more than
    one reading fits is flagged.

    Raises:
        MatchInputError: an id stands twice in its frame.
    """
    contracts = inputs.contracts
    decisions = Decisions(Tables.of(inputs))
    references = ReferenceReader(
        decisions.tables.payments.references.array(), contracts.reference_prefix
    )
    side = payout.split(decisions.tables, contracts)
    provider.decide(decisions, contracts, references)
    payout.decide(decisions, side, contracts)
    direct.decide(decisions, contracts, references, side.bank)
    flag_missing(decisions, contracts)
    return conclude(decisions, contracts, side.bank)
