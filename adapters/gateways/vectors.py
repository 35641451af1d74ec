"""Signatures and codes that others published, verified with the adapters' own code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.gateways import national_portal_signing, vnpay_signing
from adapters.gateways.emvco import crc16
from adapters.gateways.vectors_file import Standing, Vector, in_short
from adapters.gateways.vectors_judging import Judgement, Verdict, compare, plain
from adapters.gateways.vectors_qr import QRReading, qr_problems
from adapters.gateways.vectors_services import judge_casso, judge_payos, judge_sepay
from adapters.gateways.vectors_wallets import judge_momo, judge_zalopay
from payments.errors import QRPayloadError


@dataclass(frozen=True, slots=True)
class Finding:
    """A vector, our verdict, and a word about it."""

    vector: Vector
    verdict: Verdict
    note: str

    @property
    def fails(self) -> bool:
        """Whether this is a fault of ours: a published value missed, or a wrong one let in."""
        counts = self.vector.standing is Standing.VERIFIED or self.vector.is_wrong_on_purpose
        return counts and self.verdict is Verdict.DIFFERS


def verify(vectors: Sequence[Vector]) -> list[Finding]:
    """Return a finding for every vector, in order; a group nobody knows is not checked."""
    return [Finding(vector, *_judge(vector)) for vector in vectors]


def _judge(vector: Vector) -> Judgement:
    group = GROUPS.get(vector.group)
    if group is None:
        return Verdict.NOT_CHECKED, "no code here speaks this group"
    try:
        return group(vector)
    except (KeyError, TypeError, ValueError, AttributeError, QRPayloadError) as error:
        return Verdict.DIFFERS, f"cannot be computed: {in_short(error)}"


def _vnpay(vector: Vector) -> Judgement:
    secret = vector.secret or ""
    fields = plain(vector.inputs)
    signed = {**fields, vnpay_signing.HASH_FIELD: vector.expected}
    if order := _vnpay_order(fields):
        text = vnpay_signing.pipe_string(order, fields)
        accepted = vnpay_signing.is_signed_object(signed, order, [secret])
    else:
        text = vnpay_signing.encode_query(fields)
        query = f"{text}&{vnpay_signing.HASH_FIELD}={vector.expected}"
        accepted = vnpay_signing.read_signed_query(query, [secret]) is not None
    return compare(
        vector, text, lambda text: vnpay_signing.hmac_sha512(text, secret), accepted=accepted
    )


def _vnpay_order(fields: Mapping[str, str]) -> Sequence[str] | None:
    """Return the order of an API message, None for what a browser brings."""
    queried = fields.get("vnp_Command") == "querydr"
    if "vnp_ResponseId" in fields:
        return vnpay_signing.QUERY_RESPONSE if queried else vnpay_signing.REFUND_RESPONSE
    if "vnp_RequestId" in fields:
        return vnpay_signing.QUERY_REQUEST if queried else vnpay_signing.REFUND_REQUEST
    return None


def _national_portal(vector: Vector) -> Judgement:
    signing = national_portal_signing
    orders = {"INIT": signing.INIT, "QUERY": signing.QUERY}
    secret = vector.secret or ""
    fields = plain(vector.inputs)
    order = orders.get(fields["LoaiBanTin"], signing.RESULT)
    accepted = signing.is_signed(order, {**fields, "MaXacThuc": vector.expected}, [secret])
    text = signing.signed_text(order, fields, secret)
    return compare(vector, text, lambda _: signing.digest(order, fields, secret), accepted=accepted)


def _vietqr(vector: Vector) -> Judgement:
    if "ascii" in vector.inputs:
        checksum = crc16(vector.inputs["ascii"])
        holds = checksum == vector.expected.upper()
        return (Verdict.HOLDS, "") if holds else (Verdict.DIFFERS, f"the checksum is {checksum}")
    payload: str = vector.inputs["payload"]
    reading = QRReading.of(payload)
    problem = next(qr_problems(vector, payload, reading), "")
    if problem:
        return Verdict.DIFFERS, problem
    return Verdict.HOLDS, f"refused: {reading.refusal}" if reading.refusal else ""


GROUPS: Final[Mapping[str, Callable[[Vector], Judgement]]] = {
    "vnpay": _vnpay,
    "dvcqg": _national_portal,
    "vietqr": _vietqr,
    "momo": judge_momo,
    "zalopay": judge_zalopay,
    "payos": judge_payos,
    "casso": judge_casso,
    "sepay": judge_sepay,
}
"""Who verifies which group of a file."""
