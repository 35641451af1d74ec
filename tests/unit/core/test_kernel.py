"""Ids, actors, columns, logs and the outbox's schedule."""

import json
import logging
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from core.actors import SYSTEM, Actor, Permission, PermissionDeniedError, Role
from core.db import UtcDateTime
from core.ids import CROCKFORD, new_id, new_token, random_below
from core.logging import JsonFormatter
from core.outbox import (
    RETRY_SECONDS,
    MessageKind,
    MessageStatus,
    OutboxMessage,
    record_attempt,
    replay,
)
from tests.support.clock import MONDAY_MORNING

# Ids


def test_ids_are_unique_and_sort_by_the_time_they_were_made() -> None:
    first = new_id("pay")
    time.sleep(0.002)
    second = new_id("pay")
    assert first < second
    assert len({new_id("pay") for _ in range(2_000)}) == 2_000


def test_an_id_is_its_prefix_and_26_symbols() -> None:
    prefix, _, symbols = new_id("bil").partition("_")
    assert prefix == "bil"
    assert len(symbols) == 26
    assert set(symbols.upper()) <= set(CROCKFORD)


def test_tokens_are_url_safe_and_random_numbers_in_range() -> None:
    assert new_token() != new_token()
    assert new_token().replace("-", "").replace("_", "").isalnum()
    assert {random_below(3) for _ in range(200)} == {0, 1, 2}


# Actors


@pytest.mark.parametrize(
    ("scope", "office", "seen"),
    [
        ("/", "/22/22001/", True),
        ("/22/22001/", "/22/22001/", True),
        ("/22/22001/", "/22/22001/7/", True),
        ("/22/22001/", "/22/", False),
        ("/22/22001/", "/22/220012/", False),
        ("", "/22/", False),
    ],
)
def test_an_actor_sees_the_offices_of_its_subtree(scope: str, office: str, seen: bool) -> None:  # noqa: FBT001
    assert Actor("a", Role.OFFICER, office_path=scope).sees(office) is seen


def test_nobody_but_the_system_may_both_propose_import_and_approve() -> None:
    approving = [role for role in Role if Actor("a", role).may(Permission.APPROVE)]
    assert approving == [Role.APPROVER, Role.SYSTEM]
    assert not Actor("a", Role.APPROVER).may(Permission.IMPORT_STATEMENTS)
    assert not Actor("a", Role.AUDITOR).may(Permission.RESOLVE)
    assert not any(Actor("a", Role.CITIZEN).may(permission) for permission in Permission)
    assert all(SYSTEM.may(permission) for permission in Permission)


def test_a_missing_permission_is_a_typed_refusal() -> None:
    with pytest.raises(PermissionDeniedError, match="auditor may not approve"):
        Actor("a", Role.AUDITOR).require(Permission.APPROVE)


# Columns


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_instants_come_back_in_utc_whatever_offset_they_had(dialect: object) -> None:
    column = UtcDateTime()
    hanoi = datetime(2026, 3, 2, 9, 0, tzinfo=timezone(timedelta(hours=7)))
    stored = column.process_bind_param(hanoi, dialect)  # type: ignore[arg-type]
    back = column.process_result_value(stored, dialect)  # type: ignore[arg-type]
    assert back == hanoi
    assert back is not None
    assert back.tzinfo is UTC


def test_an_instant_without_offset_is_not_stored() -> None:
    with pytest.raises(ValueError, match="offset"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 2), sqlite.dialect())  # noqa: DTZ001


# Logs


def _logged(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"msg": "paid", "levelno": 20, "levelname": "INFO", **extra})
    line: dict[str, object] = json.loads(JsonFormatter().format(record))
    return line


def test_a_log_line_is_json_with_named_facts() -> None:
    line = _logged(payment_id="pay_1", status=200)
    assert (line["message"], line["payment_id"], line["status"]) == ("paid", "pay_1", 200)


def test_a_field_that_nobody_allowed_is_dropped_by_name() -> None:
    line = _logged(payer_name="Nguyễn Văn A")
    assert line["dropped_fields"] == ["payer_name"]
    assert "Nguyễn" not in json.dumps(line, ensure_ascii=False)


# Outbox


def _message() -> OutboxMessage:
    return OutboxMessage(
        kind=MessageKind.EMAIL, topic="receipt", recipient="a@b.vn", payload={}, dedupe_key="k",
        created_at=MONDAY_MORNING, next_attempt_at=MONDAY_MORNING,
    )  # fmt: skip


def test_a_message_is_retried_on_schedule_and_then_given_up() -> None:
    message = _message()
    for seconds in RETRY_SECONDS:
        record_attempt(message, delivered=False, answer="503", now=MONDAY_MORNING)
        assert message.status is MessageStatus.WAITING
        assert message.next_attempt_at == MONDAY_MORNING + timedelta(seconds=seconds)
    record_attempt(message, delivered=False, answer="503", now=MONDAY_MORNING)
    assert message.status is MessageStatus.GIVEN_UP


def test_a_delivered_message_is_done_and_can_be_replayed() -> None:
    message = record_attempt(_message(), delivered=True, answer="204", now=MONDAY_MORNING)
    assert (message.status, message.delivered_at) == (MessageStatus.DELIVERED, MONDAY_MORNING)
    replay(message, now=MONDAY_MORNING)
    assert (message.status, message.attempts) == (MessageStatus.WAITING, 0)
