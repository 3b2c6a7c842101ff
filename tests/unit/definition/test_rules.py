"""Every rule refuses with a text that says what was found and what to write instead; all of a definition together."""

from pathlib import Path

from tests.unit.definition.planted import refused


def test_every_broken_rule_is_reported_with_line_and_advice() -> None:
    assert refused.report() == (Path(__file__).parent / "planted" / "refused.txt").read_text(encoding="utf-8")


def test_every_definition_that_breaks_a_rule_is_refused() -> None:
    assert "accepted" not in refused.report()
