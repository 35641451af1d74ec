"""Whose account a payment came from, as the bank or a service told it."""

from sqlmodel import Session, col, select

from payments.errors import RefundNotAllowedError
from payments.gateway_models import CreditNotice
from payments.refunds import Beneficiary
from reconciliation.models import MatchItem, StatementLine
from reconciliation.states import ItemKind, Layer


def payer_account(session: Session, payment_id: str) -> Beneficiary:
    """Return the account that a transfer came from; what nobody told, or no bank takes, is empty.

    It is what the officer starts from: money may well go back to another account of the payer.
    """
    told = session.exec(select(CreditNotice).where(CreditNotice.payment_id == payment_id)).first()
    if told is not None and told.counterparty_account:
        return _readable(
            told.counterparty_name, told.counterparty_account, told.counterparty_bank_bin
        )
    matches = select(MatchItem.match_id).where(
        MatchItem.item_kind == ItemKind.PAYMENT,
        MatchItem.item_id == payment_id,
        MatchItem.layer == Layer.DIRECT,
        col(MatchItem.active),
    )
    line = session.exec(
        select(StatementLine)
        .join(MatchItem, col(MatchItem.item_id) == col(StatementLine.id))
        .where(col(MatchItem.match_id).in_(matches), MatchItem.item_kind == ItemKind.BANK)
        .where(StatementLine.counterparty_account != "")
        .order_by(col(StatementLine.id))
    ).first()
    if line is None:
        return Beneficiary()
    return _readable(line.counterparty_name, line.counterparty_account, "")


def _readable(name: str, account: str, bank_bin: str) -> Beneficiary:
    try:
        return Beneficiary.parse(name, account, bank_bin)
    except RefundNotAllowedError:
        return Beneficiary()
