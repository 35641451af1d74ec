"""Documents: every rail has its page, and no document points to what is not there."""

import re
from pathlib import Path

import pytest

from payments.channels import Rail

ROOT = Path(__file__).parents[2]
RAILS = ROOT / "docs" / "rails"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
HEADINGS = ("set-up", "verified", "not verified")
"""What each page of a rail has to speak of under a heading of its own."""


@pytest.mark.parametrize("rail", list(Rail))
def test_every_rail_has_a_page_and_a_line_in_the_index(rail: Rail) -> None:
    name = f"{rail.value.replace('_', '-')}.md"
    page = (RAILS / name).read_text(encoding="utf-8")
    headings = [line[3:].lower() for line in page.splitlines() if line.startswith("## ")]
    missing = [
        wanted for wanted in HEADINGS if not any(heading.startswith(wanted) for heading in headings)
    ]
    if rail is Rail.NATIONAL_PORTAL:  # nothing of it is verified, and its page says so
        missing.remove("verified")
        assert "**Experimental.**" in page
    assert missing == []
    index = (RAILS / "README.md").read_text(encoding="utf-8")
    assert index.count(f"]({name})") == 1


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_document_points_to_what_is_not_there(document: Path) -> None:
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []
