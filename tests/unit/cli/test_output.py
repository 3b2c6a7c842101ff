"""Tables and marks: in colour on a terminal, plain and aligned elsewhere."""

import json
import sys

import pytest

from orchestrator.cli.output import print_columns, print_json
from orchestrator.cli.terminal import print_table, print_text

HEADINGS = ("saga", "id", "at")
ROWS = [("money_transfer", "t1", ""), ("money_transfer", "a longer id", "… withdraw")]
PLAIN = """\
saga            id           at
money_transfer  t1
money_transfer  a longer id  … withdraw
"""


def show_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_elsewhere_a_table_is_aligned_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADINGS, ROWS)
    assert capsys.readouterr().out == PLAIN
    print_columns(HEADINGS, ROWS)
    assert capsys.readouterr().out == PLAIN


def test_a_terminal_has_a_rule_under_the_headings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show_on_a_terminal(monkeypatch)
    print_table(HEADINGS, ROWS)
    shown = capsys.readouterr().out
    assert "────" in shown
    assert "a longer id" in shown


def test_a_terminal_shows_marks_in_colour_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show_on_a_terminal(monkeypatch)
    print_text("  ✓ withdraw  [bold]10[/bold]")
    assert capsys.readouterr().out == "  \x1b[32m✓\x1b[0m withdraw  [bold]10[/bold]\n"


def test_elsewhere_marks_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    print_text("  ✓ withdraw")
    assert capsys.readouterr().out == "  ✓ withdraw\n"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_anybody_wrote_gives_a_terminal_no_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_terminal: bool
) -> None:
    """A saga id, a reason, a text: of a record that anybody may have written."""
    hostile = "t1\x1b]0;owned\x07\x1b[2J\r\u202eback"
    if is_terminal:
        show_on_a_terminal(monkeypatch)
        monkeypatch.setenv("NO_COLOR", "1")
    print_text(f"the saga\n  {hostile}")
    shown = r"t1\x1b]0;owned\x07\x1b[2J\r\u202eback"
    assert capsys.readouterr().out == f"the saga\n  {shown}\n"
    print_table(("id", "text"), [("t2", hostile)])
    assert shown in capsys.readouterr().out


def test_json_is_one_line_for_programs_and_indented_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_json({"name": "Bär", "number": 1})
    assert capsys.readouterr().out == '{"name": "Bär", "number": 1}\n'
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_json({"name": "Bär"})
    shown = capsys.readouterr().out
    assert (json.loads(shown), shown.count("\n")) == ({"name": "Bär"}, 3)
