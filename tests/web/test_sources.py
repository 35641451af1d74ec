"""An administrator sees each source: when it was last asked, and what failed."""

from core.actors import SYSTEM
from core.clock import utc_now
from core.db import transaction
from reconciliation.errors import SourceUnreachableError
from reconciliation.ports import SourceAccess, SourceKind
from reconciliation.sources import record_fetch, set_source
from tests.factories import VAULT
from tests.web.conftest import Site


def test_sources_are_shown_with_their_last_fetch_and_no_secret(site: Site) -> None:
    admin = site.signed_in("admin")
    assert "watched folder alone" in admin.get("/staff/sources").text
    access = SourceAccess(
        "bank", SourceKind.IMAP, {"host": "mail.example"}, {"password": "hunter2"}
    )
    with transaction(site.engine) as session:
        known = {"vault": VAULT, "actor": SYSTEM, "clock": site.clock}
        source = set_source(session, access, **known)  # type: ignore[arg-type]
        set_source(session, SourceAccess("other", SourceKind.S3, {"bucket": "b"}, {}), **known)  # type: ignore[arg-type]
        problem = SourceUnreachableError("<b>nobody</b> answers")
        record_fetch(session, source.id, files=3, problem=problem, clock=site.clock)
    page = admin.get("/staff/sources").text
    for said in ("mail.example", "3 files taken", "S042", "&lt;b&gt;nobody", "never fetched"):
        assert said in page
    assert "hunter2" not in page
    with transaction(site.engine) as session:
        record_fetch(session, source.id, files=0, problem=None, clock=site.clock)
        record_fetch(session, "src_none", files=0, problem=None, clock=utc_now)
    assert "S042" not in admin.get("/staff/sources").text
    vietnamese = site.signed_in("admin", "vi").get("/staff/sources").text
    assert "Nguồn tệp" in vietnamese
    assert "đã lấy 3 tệp" in vietnamese
