"""Who may open and do what: every staff page against every role."""

import pytest
from fastapi.routing import APIRoute

from app.main import PAGES as MODULES
from tests.web.conftest import ROLES, Site

ALL = frozenset(ROLES)
PAGES = {
    "/staff": ALL,
    "/staff/mismatches": ALL,
    "/staff/decisions": {"approver"},
    "/staff/rechecks": ALL,
    "/staff/rechecks/{item_id}": ALL,
    "/staff/statements": ALL,
    "/staff/clearing": ALL,
    "/staff/reports": ALL,
    "/staff/reports/{kind}.csv": ALL,
    "/staff/close": ALL,
    "/staff/close/{account_number}/{day}": ALL,
    "/staff/close/{account_number}/{day}/sheet.json": ALL,
    "/staff/remittances": ALL,
    "/staff/remittances/{remittance_id}": ALL,
    "/staff/remittances/{remittance_id}/order.{form}": ALL,
    "/staff/bills": ALL,
    "/staff/messages": ALL,
    "/staff/jobs": ALL,
    "/staff/search": {"auditor"},
    "/staff/ledger": {"auditor"},
    "/staff/export": {"auditor"},
    "/staff/export/{name}.csv": {"auditor"},
    "/staff/export/books": {"auditor"},
    "/staff/export/books/{export_id}.zip": {"auditor"},
    "/staff/sources": {"admin"},
    "/staff/users": {"admin"},
    "/staff/bills/{reference}": ALL,
    "/staff/mismatches/{mismatch_id}": ALL,
    "/staff/decisions/{resolution_id}": {"approver"},
    "/staff/statements/{file_id}": ALL,
    "/staff/statements/{file_id}/layout": {"officer"},
    "/staff/payments/{payment_id}": {"auditor"},
    "/staff/payments/{payment_id}/refund": {"officer", "approver"},
    "/staff/refunds": ALL,
    "/staff/refunds/{refund_id}": ALL,
    "/staff/payment-orders": ALL,
    "/staff/payment-orders/{order_id}.{form}": ALL,
}
ACTS = {
    "/staff/mismatches/{mismatch_id}/comments": {"officer", "approver"},
    "/staff/mismatches/{mismatch_id}/assignment": {"officer", "approver"},
    "/staff/mismatches/{mismatch_id}/resolutions": {"officer", "approver"},
    "/staff/decisions/{resolution_id}": {"approver"},
    "/staff/rechecks/{item_id}": {"officer", "approver"},
    "/staff/payments/{payment_id}/refund": {"officer", "approver"},
    "/staff/refunds/{refund_id}/decision": {"approver"},
    "/staff/refunds/{refund_id}/beneficiary": {"officer", "approver"},
    "/staff/refunds/{refund_id}/refusal": {"approver"},
    "/staff/payment-orders": {"officer", "approver"},
    "/staff/close/{account_number}/{day}": {"officer", "approver"},
    "/staff/close/{account_number}/{day}/review": {"approver"},
    "/staff/close/{account_number}/{day}/withdrawal": {"officer", "approver"},
    "/staff/remittances": {"officer", "approver"},
    "/staff/remittances/{remittance_id}/decision": {"approver"},
    "/staff/remittances/{remittance_id}/order": {"officer", "approver"},
    "/staff/remittances/{remittance_id}/refusal": {"approver"},
    "/staff/export/books": {"auditor"},
    "/staff/statements": {"officer"},
    "/staff/statements/{file_id}/layout": {"officer"},
    "/staff/statements/{file_id}/undo": {"officer"},
    "/staff/statements/{file_id}/reading": {"officer"},
    "/staff/jobs/{name}/runs": {"officer", "approver", "admin"},
    "/staff/messages/{message_id}/replay": {"officer", "approver", "admin"},
    "/staff/users": {"admin"},
    "/staff/users/{username}/active": {"admin"},
}
OPEN_TO_ANYBODY = {"/staff/sign-in", "/staff/sign-out"}


def _filled(path: str) -> str:
    """An address whose object does not exist: 404 then says that the role was let through."""
    for name in ("name", "reference", "mismatch_id", "resolution_id", "file_id", "payment_id"):
        path = path.replace(f"{{{name}}}", "none")
    for name in ("refund_id", "message_id", "username", "order_id", "form", "export_id", "item_id"):
        path = path.replace(f"{{{name}}}", "none")
    for name in ("remittance_id", "account_number", "day", "kind"):
        path = path.replace(f"{{{name}}}", "none")
    return path + ("?account=x&first=2026-11-01&last=2026-11-02" if path.endswith(".csv") else "")


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_opens_exactly_its_pages(site: Site, role: str) -> None:
    client = site.signed_in(role)
    for path, allowed in PAGES.items():
        answer = client.get(_filled(path))
        expected = {200, 404} if role in allowed else {403}
        assert answer.status_code in expected, (role, path, answer.status_code)
        if answer.status_code == 403:
            assert "A001" in answer.text


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_does_exactly_its_acts(site: Site, role: str) -> None:
    client = site.signed_in(role)
    for path, allowed in ACTS.items():
        answer = client.post(_filled(path), data={"decision": "approve"})
        if role in allowed:
            assert answer.status_code in {303, 404, 409, 422}, (role, path, answer.status_code)
        else:
            assert answer.status_code == 403, (role, path, answer.status_code)


def test_nobody_sees_staff_pages_without_signing_in(site: Site) -> None:
    client = site.visitor()
    for path in PAGES:
        answer = client.get(_filled(path))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/staff/sign-in?to=/staff")
    for path in ACTS:
        answer = client.post(_filled(path))
        assert answer.status_code == 303, path


def test_programs_are_told_401_instead_of_a_page(site: Site) -> None:
    answer = site.visitor().get("/staff", headers={"accept": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "A002"


def test_the_matrix_names_every_staff_route() -> None:
    every = [route for module in MODULES for route in module.router.routes]
    routes = [r for r in every if isinstance(r, APIRoute) and r.path.startswith("/staff")]
    known = {("GET", path) for path in PAGES} | {("POST", path) for path in ACTS}
    known |= {(method, path) for path in OPEN_TO_ANYBODY for method in ("GET", "POST")}
    assert routes
    assert {(m, r.path) for r in routes for m in r.methods} <= known
