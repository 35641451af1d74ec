"""The fake Stripe's v1 API as the real SDK drives it: keys, idempotency, lists, expansion."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from adapters.simulators import stripe_config as kinds
from adapters.simulators.faults import Fault
from adapters.simulators.store import Record, Records
from adapters.simulators.stripe import StripeSimulator
from adapters.simulators.stripe_config import StripeAccount, StripeRefusalError, unix
from adapters.simulators.stripe_settled import balance, balance_transactions, payouts

_IDEMPOTENCY: Final = "idempotency"
_KEY_LIFETIME: Final = timedelta(hours=24)
_KEY_PART: Final = re.compile(r"[^\[\]]+")
_MOST: Final = 100
_FEW: Final = 10
_BY_PREFIX: Final = {
    "pi": kinds.INTENT,
    "ch": kinds.CHARGE,
    "re": kinds.REFUND,
    "dp": kinds.DISPUTE,
}
_KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "checkout/sessions": (kinds.SESSION, ("payment_intent",)),
    "payment_intents": (kinds.INTENT, ()),
    "charges": (kinds.CHARGE, ("payment_intent",)),
    "refunds": (kinds.REFUND, ("payment_intent", "charge")),
    "disputes": (kinds.DISPUTE, ("payment_intent", "charge")),
    "events": (kinds.EVENT, ("type",)),
}
"""Each listed collection: its kind of record, and the fields it may be filtered by."""

_RANGES: Final = ("created", "arrival_date", "available_on")
"""What lists may be bounded by, in Unix time."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One call of the SDK, its path without ``/v1/``."""

    method: str
    path: str
    query: str
    body: bytes
    authorization: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What to answer, and the fault that befalls the answer on its way."""

    status: int
    body: Mapping[str, Any]
    replayed: bool = False
    fault: Fault | None = None


def nested(text: str) -> dict[str, Any]:
    """Read ``a[b][0][c]=v`` pairs into dictionaries and, where all keys are numbers, lists."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        parts = _KEY_PART.findall(name)
        node = tree
        for part in parts[:-1]:
            node = node.setdefault(part, {})
        node[parts[-1]] = value
    return {name: _with_lists(value) for name, value in tree.items()}


def _with_lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    inner = {name: _with_lists(value) for name, value in node.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


class StripeApi:
    """Dispatches API calls to the simulator, one transaction each."""

    def __init__(self, simulator: StripeSimulator) -> None:
        self._simulator = simulator

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """Answer one call as Stripe would, errors included."""
        try:
            account = self._authenticate(request.authorization)
            with self._simulator.store.transaction() as records:
                self._simulator.advance(records, self._simulator.clock())
                if request.method == "POST":
                    return self._post_once(records, account, request)
                return self._get(records, account, request)
        except StripeRefusalError as refusal:
            return ApiAnswer(refusal.status, {"error": refusal.error})

    def _authenticate(self, authorization: str) -> StripeAccount:
        for account in self._simulator.accounts.values():
            if authorization == f"Bearer {account.api_key}":
                return account
        if authorization.startswith("Bearer pk_"):
            message = "This API call cannot be made with a publishable API key."
            raise StripeRefusalError(403, message, code="secret_key_required")
        raise StripeRefusalError(401, "Invalid API Key provided")

    def _post_once(
        self, records: Records, account: StripeAccount, request: ApiRequest
    ) -> ApiAnswer:
        """Answer the same key and request alike for a day; another request is an error."""
        now = self._simulator.clock()
        key = f"{account.account_id}:{request.idempotency_key}"
        text = request.path.encode() + b"\n" + request.body
        fingerprint = hashlib.sha256(text).hexdigest()
        known = records.get(_IDEMPOTENCY, key) if request.idempotency_key else None
        if known and known["at"] > unix(now - _KEY_LIFETIME):
            if known["fingerprint"] != fingerprint:
                raise StripeRefusalError(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters.",
                    type="idempotency_error",
                )
            return ApiAnswer(known["status"], known["body"], replayed=True)
        answer = self._post(records, account, request.path, nested(request.body.decode()))
        if request.idempotency_key:
            kept = {
                "at": unix(now),
                "fingerprint": fingerprint,
                "status": answer.status,
                "body": dict(answer.body),
            }
            records.put(_IDEMPOTENCY, key, kept)
        return answer

    def _post(
        self, records: Records, account: StripeAccount, path: str, params: Mapping[str, Any]
    ) -> ApiAnswer:
        if path == "checkout/sessions":
            session = self._simulator.create_session(records, account, params)
            fault = self._fault(records, session, Fault.LOST_START)
            return ApiAnswer(200, session, fault=fault)
        if path == "refunds":
            return ApiAnswer(200, self._simulator.reversals.refund(records, account, params))
        if expired := re.fullmatch(r"checkout/sessions/(\w+)/expire", path):
            self._one(records, account, "checkout/sessions", expired[1])
            session = self._simulator.expire_session(records, expired[1])
            return ApiAnswer(200, self._expanded(records, session, params.get("expand", [])))
        if path.startswith("payment_intents"):
            status, body = self._post_intent(records, account, path, params)
            return ApiAnswer(status, body)
        raise StripeRefusalError(404, f"Unrecognized request URL (POST: /v1/{path})")

    def _post_intent(
        self, records: Records, account: StripeAccount, path: str, params: Mapping[str, Any]
    ) -> tuple[int, Record]:
        intents = self._simulator.intents
        if path == "payment_intents":
            return intents.create(records, account, params)
        named = re.fullmatch(r"payment_intents/(\w+)/(confirm|cancel)", path)
        if named is None:
            raise StripeRefusalError(404, f"Unrecognized request URL (POST: /v1/{path})")
        intent = self._one(records, account, "payment_intents", named[1])
        if named[2] == "cancel":
            return 200, intents.cancel(records, account, intent)
        return intents.confirm(records, account, intent, params)

    def _get(self, records: Records, account: StripeAccount, request: ApiRequest) -> ApiAnswer:
        params = nested(request.query)
        if request.path == "balance":
            return ApiAnswer(200, balance(self._simulator, records, account))
        listed = self._collection(records, account, request.path, params)
        if listed is not None:
            return ApiAnswer(200, self._page(records, request.path, listed, params))
        collection, _, wanted = request.path.rpartition("/")
        item = self._one(records, account, collection, wanted)
        fault = self._fault(records, item, Fault.LOST_QUERY, Fault.SLOW_QUERY)
        return ApiAnswer(200, self._expanded(records, item, params.get("expand", [])), fault=fault)

    def _one(
        self, records: Records, account: StripeAccount, collection: str, wanted: str
    ) -> Record:
        kind, _ = _KINDS.get(collection, ("", ()))
        found = records.get(kind, wanted, label=account.account_id)
        if found is None and not kind:
            computed = self._collection(records, account, collection, {}) or []
            found = next((item for item in computed if item["id"] == wanted), None)
        if found is None:
            raise StripeRefusalError(404, f"No such object: {wanted}", code="resource_missing")
        return found

    def _collection(
        self, records: Records, account: StripeAccount, name: str, params: Mapping[str, Any]
    ) -> list[Record] | None:
        if name == "balance_transactions":
            return balance_transactions(self._simulator, records, account, params)
        if name == "payouts":
            return payouts(self._simulator, records, account, params)
        if name not in _KINDS:
            return None
        kind, filters = _KINDS[name]
        return [
            item
            for item in records.labelled(kind, account.account_id)
            if all(item.get(field) == params.get(field, item.get(field)) for field in filters)
        ]

    def _fault(self, records: Records, item: Record, *faults: Fault) -> Fault | None:
        reference = item.get("client_reference_id")
        for fault in faults if reference else ():
            if self._simulator.config.faults.strikes_once(fault, str(reference), records):
                return fault
        return None

    def _page(
        self, records: Records, path: str, found: list[Record], params: Mapping[str, Any]
    ) -> Record:
        newest_first = list(reversed(found))
        chosen = [
            item
            for item in newest_first
            if all(_is_within(item[name], params[name]) for name in _RANGES if name in params)
        ]
        if after := params.get("starting_after"):
            places = [number for number, item in enumerate(chosen) if item["id"] == after]
            chosen = chosen[places[0] + 1 :] if places else []
        limit = min(max(int(params.get("limit", _FEW)), 1), _MOST)
        expand = [name.removeprefix("data.") for name in params.get("expand", [])]
        return {
            "object": "list",
            "url": f"/v1/{path}",
            "has_more": len(chosen) > limit,
            "data": [self._expanded(records, item, expand) for item in chosen[:limit]],
        }

    def _expanded(self, records: Records, item: Record, expand: list[str]) -> Record:
        result = dict(item)
        for name in sorted({path.partition(".")[0] for path in expand}):
            value = result.get(name)
            kind = _BY_PREFIX.get(str(value).partition("_")[0])
            found = records.get(kind, str(value)) if kind else None
            if found is not None:
                rest = [path.partition(".")[2] for path in expand if path.startswith(f"{name}.")]
                result[name] = self._expanded(records, found, rest)
        return result


def _is_within(created: int, bounds: Any) -> bool:
    if not isinstance(bounds, dict):
        return created == int(bounds)
    least = max(int(bounds.get("gte", created)), int(bounds.get("gt", created - 1)) + 1)
    most = min(int(bounds.get("lte", created)), int(bounds.get("lt", created + 1)) - 1)
    return least <= created <= most
