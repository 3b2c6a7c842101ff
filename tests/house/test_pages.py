"""Pages of documentation lead to what there is, and are led to."""

import re

import pytest

from tests.page import ROOT, Page

TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
DOCS = sorted(file.relative_to(ROOT).as_posix() for file in ROOT.glob("docs/*.md"))
RECORDS = sorted(file.relative_to(ROOT).as_posix() for file in ROOT.glob("docs/adr/*.md"))
TESTS = [file.relative_to(ROOT).as_posix() for file in ROOT.glob("tests/**/*.py")]
TEST_NAMED = re.compile(r"`((?:[a-z_]+/)*test_\w+\.py|tests/[\w./-]+)`")
"""A test's file, from ``tests`` on or from some way below; or another place in ``tests``."""


def there_is(named: str) -> bool:
    return (ROOT / named).exists() or any(file.endswith(f"/{named}") for file in TESTS)


def test_the_pages_are_found() -> None:
    assert "docs/reliability.md" in DOCS
    assert "`tests/acceptance/faults/test_zombies.py`" in Page("docs/reliability.md").text
    assert not there_is("tests/test_none.py")


@pytest.mark.parametrize("name", [*TOP, *DOCS, *RECORDS, "schemas/README.md"])
def test_what_a_page_links_to_and_the_tests_that_it_names_exist(name: str) -> None:
    page = Page(name)
    links = [target for target in page.links() if not target.startswith("https://")]
    assert [target for target in links if not ((ROOT / name).parent / target).exists()] == []
    assert [named for named in TEST_NAMED.findall(page.text) if not there_is(named)] == []


def test_each_page_is_linked_from_where_readers_begin() -> None:
    linked = {target for name in ("README.md", "ARCHITECTURE.md") for target in Page(name).links()}
    assert [name for name in DOCS if name not in linked] == []
