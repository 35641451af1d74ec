"""The sentences of certificates in English."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    # the frame
    "title.match": "{id}: matched in the {layer} layer by rule {because}, confidence {confidence}",
    "title.mismatch": "{id}: not matched in the {layer} layer, type {because}",
    "title.version": "rules version {version}, as of {as_of}",
    "heading.items": "Items",
    "heading.candidates": "Related items",
    "heading.reason": "Finding",
    "heading.evidence": "Evidence",
    "heading.rivals": "What else there was, and why it was not taken",
    "rivals.none": "Nothing else bears the same identifier, reference or window.",
    "pair.expected": "Expected: {value}",
    "pair.actual": "Found: {value}",
    "layer.provider": "provider",
    "layer.payout": "payout",
    "layer.direct": "direct",
    "kind.payment": "payment",
    "kind.refund": "refund",
    "kind.chargeback": "chargeback",
    "kind.settlement": "settlement line",
    "kind.bank": "bank line",
    "place.csv": "{file}, line {number}",
    "place.parquet": "{file}, row {number}",
    # words inside sentences
    "by.account": "account",
    "by.name": "name",
    "by.narrative": "beginning of the narrative",
    "status.pending": "pending",
    "status.succeeded": "succeeded",
    "status.failed": "failed",
    "status.expired": "expired",
    "status.cancelled": "cancelled",
    "money.foreign": "{units} minor units of {currency}",
    "fate.open": "no money came for it and none was due",
    "fate.matched": "matched in {decision}",
    "fate.flagged": "flagged as {type} in {decision}",
    # provider
    "txn_id.equal": "Payment {payment} and line {line} bear the same {provider} id {id}.",
    "txn_id.unknown": "The id {id} of line {line} is no recorded payment's, so it says nothing.",
    "txn_id.empty": "Line {line} bears no id.",
    "reference.field": (
        "The report names the bill in line {line} as “{text}”, read as {reference}, the bill of "
        "payment {payment}."
    ),
    "fee.contract": (
        "Fee of line {line}: {fee} deducted; the contract says {contracted} "
        "({rate} basis points of {gross}, plus {fixed}). Net {net}."
    ),
    "fee.none": "Fee of line {line}: {fee}; no fee is contracted on money going back. Net {net}.",
    "fee.together": (
        "All parts together carry a fee of {fee}; the contract says {contracted} on the whole "
        "({rate} basis points of {gross}, plus {fixed})."
    ),
    "fee.no_terms": "Fee of line {line}: {fee}; the contracts have no terms for {provider}.",
    "fee.net": "Line {line} reports net {net}, but {gross} less {fee} is {expected}.",
    "sum.provider": (
        "Payments {left} ({left_count}) = gross of the settlement lines {right} ({right_count})."
    ),
    "sum.payout": (
        "Net of the settlement lines {left} ({left_count}) = credits {right} ({right_count})."
    ),
    "sum.direct": "Payments {left} ({left_count}) = bank lines {right} ({right_count}).",
    "sum.differs": "Recorded {left}, came {right}: a difference of {difference}.",
    # payout
    "payout.net": "{provider} reports payout {payout} for {day}: net {net} (lines: {lines}).",
    "payout.id": (
        "The narrative of {line} names payout {payout} as “{text}” (characters {start} to {end})."
    ),
    "payout.no_id": "The narrative of {line} names no payout that was reported.",
    "payout.sender": "{line} comes from {provider}: its {by} “{text}” is in the contracts.",
    "payout.window": (
        "Value date {value_date} of {line} is in the window of {payout}, {first} to {last}."
    ),
    "payout.window.outside": (
        "Value date {value_date} of {line} is outside the window of {payout}, {first} to {last}."
    ),
    "payout.combination.payouts": (
        "Of {among} payouts open in the window, combinations that add up to {sum}: {count}."
    ),
    "payout.combination.credits": (
        "Of {among} credits open in the window, combinations that add up to {sum}: {count}."
    ),
    # direct
    "bank_ref.equal": (
        "The credit notice of payment {payment} and bank line {line} bear the bank's own reference "
        "{id}, each once."
    ),
    "reference.narrative": (
        "The narrative of {line} says “{text}” (characters {start} to {end}), read as {reference}, "
        "the bill of payment {payment}."
    ),
    "reference.whole": "In {line} {reference} is whole: its check symbols agree.",
    "folding.separators": "Separators left out in {line}: “{was}” reads {read}.",
    "folding.look_alike": "Look-alike in {line}: {was} is read as {read}.",
    "folding.letters": "Small letters or marks folded in {line}: “{was}” reads {read}.",
    "repair.runs_on": (
        "Damaged in {line}: {reference} is broken by a separator and runs on into another word."
    ),
    "repair.wrong": ("Repaired in {line}: symbol {place} of {reference} was {was} and is {meant}."),
    "repair.swapped": (
        "Repaired in {line}: symbols {place} and {other} of {reference} were swapped, {was} "
        "for {meant}."
    ),
    "repair.added": (
        "Repaired in {line}: a symbol too many, {was} at place {place}, left out of {reference}."
    ),
    "repair.dropped": "Repaired in {line}: symbol {place} of {reference}, {meant}, was dropped.",
    "repair.cut_end": "Restored in {line}: the end of {reference} was cut off, {meant} ({count}).",
    "repair.cut_start": (
        "Restored in {line}: the beginning of {reference} was cut off, {meant} ({count})."
    ),
    "repair.prefix_lost": "Repaired in {line}: of the prefix {prefix}, {lost} was lost.",
    "repair.prefix_damaged": "Repaired in {line}: the prefix {prefix} was written {was}.",
    "repair.prefix_swapped": (
        "Repaired in {line}: the end of the prefix was swapped with the first symbol, {was} for "
        "{meant}."
    ),
    "dossier.read": (
        "The narrative of {line} says “{text}” (characters {start} to {end}): dossier {dossier}, "
        "that of payment {payment}."
    ),
    "dossier.cut": (
        "The narrative of {line} ends in “{text}” (characters {start} to {end}): dossier {dossier} "
        "without its last {count}, that of payment {payment}."
    ),
    "turn.together": (
        "{payments} payments and {lines} lines of one bill: as many lines as payments, matched "
        "together and not told apart."
    ),
    # mismatches
    "days.late": ("Due {due}, {grace} days of grace until {last}: overdue as of {as_of}."),
    "days.grace": ("Due {due}, {grace} days of grace until {last}: not overdue as of {as_of}."),
    "searched.txn_id": "Settlement lines that bear the id {id} of payment {payment}: {count}.",
    "searched.reference": (
        "Bank lines that bear the reference {reference} of payment {payment}: {count}."
    ),
    "searched.payout": "Credits whose narrative names payout {payout}: {count}.",
    "status.held": "Payment {payment} is held as {status}.",
    "item.amount": "{kind} {item}: {amount}.",
    "narrative.says": "The narrative of {line} is “{text}”.",
    "narrative.names_none": "In {line} stands no known reference, whole or damaged.",
    "narrative.rule": "The narrative rule “{pattern}” calls {line} {name}.",
    "resembles.name": (
        "Payment {payment} has the same amount {amount} and the payer's name {name}: no evidence."
    ),
    "resembles.amount": "Payment {payment} has the same amount {amount}: no evidence.",
    "line.says": "Line {line} of {provider} bears the id {id} and the reference {reference}.",
    "line.searched": (
        "Recorded here as {kind} with this provider and id: {count}; known bills that "
        "the reference "
        "may mean: {bills}."
    ),
    "again.settled": "{kind} {item}, {amount}: {fate}.",
    "again.days": "Days of the lines: {days}.",
    "repeated.equal": "{line} and {original} are equal in: {columns}.",
    "repeated.differs": "They differ in: {columns}.",
    "reversal.pair": (
        "Credit {credit} of {credited} and debit {debit} of {debited} are both of {amount}."
    ),
    "reversal.unknown": "{line} bears the whole reference {reference}, which is no known bill's.",
    "ambiguous.bills": (
        "{line} may be for {count} bills: {bills}. Nothing says for which of them the money is."
    ),
    "ambiguous.count": (
        "Payments: {payments}. Lines: {lines}. They fit each other in more than one way: nothing "
        "in the inputs singles one out."
    ),
    "ambiguous.payouts": (
        "Payouts: {payouts}. Credits: {credits}. They fit in more than one combination, or in too "
        "many to count: nothing in the inputs singles one out."
    ),
    # rivals
    "rival.payment.amount": "Payment {item}: {amount} is another amount; {fate}.",
    "rival.payment.opposite": "Payment {item}, {amount}: money in the other direction; {fate}.",
    "rival.payment.currency": "Payment {item}: {amount} is another currency; {fate}.",
    "rival.payment.status": "Payment {item}, {amount}: held as {status}; {fate}.",
    "rival.payment.equal": "Payment {item}: same amount {amount}, {status}; {fate}.",
    "rival.payment.channel": "Payment {item}, {amount}: through {channel}, not a transfer.",
    "rival.line": "{kind} {item} of {day}, {amount}: {fate}.",
    "rival.more": "And {count} more.",
    "rival.bill.whole": "{line} also bears {reference}, of which a payment is of {amount}.",
    "rival.bill.whole.amount": (
        "{line} also bears {reference}; its payments are of {amounts}, not {amount}."
    ),
    "rival.bill.damaged": "{line} may also mean {reference}, of which a payment is of {amount}.",
    "rival.bill.damaged.amount": (
        "{line} may also mean {reference}; its payments are of {amounts}, not {amount}."
    ),
    "rival.unknown": "{line} bears the whole reference {reference}, which is no known bill's.",
    "rival.payout": "Payout {payout} of {day}, net {net}: {fate}.",
    # the command
    "replay.same": "Replayed: the result is the same, byte for byte.",
    "replay.differs": (
        "WARNING: {files} differ from this replay: the result was changed, or comes from other "
        "inputs or another version of the rules. What follows explains the replay."
    ),
    "item.nothing_due": (
        "{id} is in the inputs and needs no decision: nothing was due and nothing came."
    ),
}
