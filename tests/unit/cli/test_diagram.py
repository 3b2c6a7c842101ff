"""`saga diagram`: all that a blueprint says of a saga's way is drawn, and no text of an author breaks the drawing."""

import re
from pathlib import Path

import pytest

from orchestrator import Command, Query, Record, Rejection, RetryPolicy, Saga, saga, text
from orchestrator.cli.diagram import mermaid
from orchestrator.cli.main import main
from orchestrator.exit_code import ExitCode

EXAMPLE = Path(__file__).parents[3] / "examples" / "money_transfer" / "saga.py"


class Order(Record):
    item: str
    price: int


class Receipt(Record):
    number: int


class SoldOut(Rejection):
    item: str


class TooDear(Rejection):
    limit: int


class Limit(Query[int], to="shop"):
    item: str


class Reserve(Command[Receipt, SoldOut], to="shop"):
    item: str


class Release(Command[None], to="shop"):
    number: int


class Reserved(Query[Receipt | None], to="shop"):
    item: str


class Pay(Command[Receipt, TooDear], to="bank"):
    price: int


class Send(Command[None], to="mail"):
    text: str


@saga
def order(s: Saga, order: Order) -> Receipt:
    limit = s.query("limit", Limit(item=order.item), retry=RetryPolicy(maximum_attempts=3))
    s.require(order.price <= limit, TooDear(limit=limit))
    s.label(item=order.item)
    s.step(
        "reserve",
        Reserve(item=order.item),
        undo=lambda reply: Release(number=reply.number),
        probe=Reserved(item=order.item),
    )
    receipt = s.pivot("pay", Pay(price=order.price))
    s.ensure("tell", Send(text=text("sent {}", order.item)))
    return receipt


WHOLE = """\
flowchart TD
    start(["order<br>Order"])
    n0[/"limit<br>Limit to shop"/]
    start --> n0
    n0 -->|"unknown after 3 attempts"| compensated
    n1{"input#46;price #60;= limit"}
    n0 -->|"done"| n1
    n1 -->|"no#58; TooDear"| compensated
    n3["reserve<br>Reserve to shop"]
    n1 -->|"yes"| n3
    n3 -->|"SoldOut"| compensated
    n3undo["undo<br>Release to shop"]
    n3 -.-|"unknown#58; first Reserved"| n3undo
    n4{{"pay<br>Pay to bank"}}
    n3 -->|"done"| n4
    n4 -->|"TooDear"| compensated
    n5[["tell<br>Send to mail"]]
    n4 ==>|"done"| n5
    completed(["completed<br>Receipt"])
    n5 ==>|"done"| completed
    compensated(["compensated<br>what was done is undone, the last first"])
    classDef undo stroke-dasharray:4
    class n3undo undo
    classDef pivot stroke-width:3px
    class n4 pivot"""


def test_steps_undo_probe_pivot_ensure_and_require_are_drawn() -> None:
    assert mermaid(order.compile()) == WHOLE


@saga
def refused(s: Saga, order: Order) -> None:
    s.step("reserve", Reserve(item=order.item), undo=None, on_unknown="incident")
    s.fail(SoldOut(item=order.item))


def test_a_saga_that_fails_has_no_arrow_to_its_completion() -> None:
    drawn = mermaid(refused.compile()).splitlines()
    assert '    n1["fail#58; SoldOut"]' in drawn
    assert "    n1 --> compensated" in drawn
    assert not [line for line in drawn if "completed" in line]


@saga
def odd(s: Saga, order: Order) -> None:
    s.step('`") --> end <b>%%{init}# ; style:#é', Release(number=order.price), undo=None)
    s.require(order.item != '"; click n0 call()\n', SoldOut(item="1. **x**"))


def test_no_text_of_an_author_means_anything_to_mermaid() -> None:
    drawn = mermaid(odd.compile()).splitlines()
    (step,) = [line for line in drawn if line.startswith("    n0[")]
    assert step == (
        '    n0["#96;#34;) --#62; end #60;b#62;#37;#37;#123;init#125;#35; #59; style#58;#35;é<br>Release to shop"]'
    )
    for line in drawn:
        for quoted in re.findall(r'"([^"]*)"', line):
            assert re.fullmatch(r"(?:[\w ,()=+/\[\]?-]|#\d+;|<br>)*", quoted), line


SECOND = "def second(s: Saga, transfer: Transfer) -> None:\n    s.label(source=transfer.source)\n"


@pytest.mark.slow  # compiles a file, in processes of their own
def test_the_command_prints_one_saga(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagram", f"{EXAMPLE}:money_transfer"]) == ExitCode.OK
    drawn = capsys.readouterr().out
    assert drawn.startswith('flowchart TD\n    start(["money_transfer<br>Transfer"])\n')
    assert 'n0undo["undo<br>Refund to bank"]' in drawn
    (tmp_path / "both.py").write_text(f"{EXAMPLE.read_text()}\n\n@saga\n{SECOND}")
    assert main(["diagram", str(tmp_path / "both.py")]) == ExitCode.USAGE
    assert "expected one saga in" in capsys.readouterr().err
