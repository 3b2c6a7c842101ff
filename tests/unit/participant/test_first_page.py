"""The example of the README stays small: saga, messages and participant together."""

import io
import tokenize
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "money_transfer"
CODE_LINES_MAX = 60

_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def code_lines(source: str) -> int:
    """Lines that hold code: no blank ones, comments, docstrings."""
    lines: set[int] = set()
    at_start = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _NO_CODE:
            at_start = at_start or token.type == tokenize.NEWLINE
        elif not (token.type == tokenize.STRING and at_start):
            lines.update(range(token.start[0], token.end[0] + 1))
            at_start = False
    return len(lines)


def test_blanks_comments_and_docstrings_are_not_counted() -> None:
    assert (
        code_lines(
            '"""Doc,\nlong."""\n\n# why\nx = (\n    1  # one\n)\n\ndef f():\n    """Doc."""\n    return "text"\n'
        )
        == 5
    )


def test_the_money_transfer_has_at_most_60_lines_of_code() -> None:
    found = {name: code_lines((EXAMPLE / name).read_text()) for name in ("saga.py", "bank.py")}
    assert sum(found.values()) <= CODE_LINES_MAX, found
