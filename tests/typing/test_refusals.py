"""What the compiler says of the planted mistakes: for authors who run no type checker, and of what none can see."""

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import AnySaga, DefinitionError
from orchestrator.errors import Problem

PLANTED = Path(__file__).parent / "planted"
FIRST_MARKED_LINE = 4


def sagas_of(name: str) -> dict[str, AnySaga]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLANTED))
        module = importlib.import_module(name)
    return {
        key: value for key, value in vars(module).items() if isinstance(value, AnySaga) and value.__module__ == name
    }


@functools.cache
def problems_of(definition: AnySaga) -> tuple[Problem, ...]:
    with pytest.raises(DefinitionError) as caught:
        definition.compile()
    return caught.value.problems


def marked() -> Iterator[tuple[int, set[str], str]]:
    lines = (PLANTED / "mistakes.py").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        mark = re.search(r"#((?: [TPMC])+)(?: (?![TPMC] )(.*))?$", line)
        if mark and number >= FIRST_MARKED_LINE:
            yield number, set(mark[1].split()), mark[2] or ""


MISTAKES = sagas_of("mistakes")
WANTED = {number: text for number, marks, text in marked() if "C" in marks}
TYPED = {number for number, marks, _ in marked() if "T" in marks}


def test_every_mistake_that_only_the_compiler_sees_is_refused_at_its_line_with_its_text() -> None:
    found: dict[int, list[str]] = {}
    for definition in MISTAKES.values():
        for problem in problems_of(definition):
            found.setdefault(problem.line, []).append(problem.text)
    missed = {line: text for line, text in WANTED.items() if not any(t.startswith(text) for t in found.get(line, []))}
    assert missed == {}
    assert len(WANTED) >= 51
    # The voucher that may be None, in the helper's caller, is a second mistake of that saga.
    assert found.keys() - WANTED.keys() - TYPED == {line_of("role=or_none(o.voucher)")}


def line_of(text: str) -> int:
    lines = (PLANTED / "mistakes.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


TYPE_MISTAKES = {
    "t01": "Withdraw.amount is a Decimal, got a str",
    "t02": "Withdraw takes its fields by name",
    "t03": "Transfer has no field 'sauce'; it has source, target, amount",
    "t04": "Receipt has no field 'amont'; it has balance",
    "t05": "the saga's result is a str, got a Receipt",
    "t06": "s.step(…) lacks undo: write undo=…, or undo=None for what needs none",
    "t07": '"w": undo= is a command, got a FindFlight',
    "t08": '"d": Deposit may be rejected (AccountNotFound), after the pivot nothing may be',
    "t20": '"w": its probe FindFlight answers Booking | None, expected Receipt | None',
    "t21": "`o.channel` is a Channel and `'web'` a str: they are never equal: write Channel.WEB",
    "t22": "Remind.role is a str, but `o.voucher` may be None: write default(o.voucher, …)",
    "t23": '1.1 is a float: a blueprint has none, write Decimal("1.1")',
    "t26": "`t.amount = …`: messages do not change; make a new one",
    "t27": "Python could not do this with a traced value: 'SagaDefinition' object is not callable",
    "t28": "Withdraw lacks amount: write amount=…",
    "t29": "Withdraw has no field 'ref'; it has account, amount",
    "t30": '"w": timeout is a duration, got 5: write seconds(…)',
    "t31": '"w": on_unknown is "undo" or "incident", got \'ask\'',
    "t32": "label lines: `o.lines` is a list[Line], which nobody can search for",
    "t33": '"q": AskUnderwriter is a Query: write s.query(…)',
    "t34": '"q": Deposit is a command: write s.step(…, undo=…)',
    "t35": '"q": expected a command, got Receipt',
    "t36": "s.fail takes a Rejection, got a Receipt",
    "t37": "length(t.amount): a Decimal has no length",
    "t41": '"w": undo= is given the reply: write undo=lambda reply: …',
}


@pytest.mark.parametrize("name", [name for name in MISTAKES if name.startswith("t")])
def test_every_mistake_that_a_checker_sees_is_refused_too(name: str) -> None:
    problems = problems_of(MISTAKES[name])
    assert len(problems) == 1, problems
    (problem,) = problems
    assert problem.text.startswith(TYPE_MISTAKES[name[:3]])
    assert problem.line in TYPED


@pytest.mark.parametrize("name", sorted(sagas_of("smuggled")))
def test_nothing_known_while_compiling_is_smuggled_in(name: str) -> None:
    assert problems_of(sagas_of("smuggled")[name])


def test_five_mistakes_are_reported_together_with_file_and_line() -> None:
    (careless,) = sagas_of("many").values()
    with pytest.raises(DefinitionError) as caught:
        careless.compile()
    lines = str(caught.value).splitlines()
    assert lines[0] == "saga careless: 5 problems"
    openings = [re.match(r"  (many\.py:\d+)  (\S+ \S+)", line) for line in lines[1:]]
    assert [opening and opening[1] for opening in openings] == [f"many.py:{n}" for n in (5, 9, 11, 12, 13)]


@pytest.mark.parametrize("name", ["shop", "right"])
def test_right_definitions_compile(name: str) -> None:
    for definition in sagas_of(name).values():
        assert definition.compile().name == definition.name
