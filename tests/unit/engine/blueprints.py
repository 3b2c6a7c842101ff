"""Blueprints for the engine's tests, from a few words a line; the compiler is not asked.

    step withdraw undo=plain attempts=3 timeout=10000     undo: none, plain, or reply (made from the reply)
    query rates attempts=2
    pivot deposit
    ensure notify
    require input.ok else TooSmall
    fail Closed
    label customer=input.account
    undo_retry attempts=2 initial=1000
    result reply.deposit

Options of a step: ``attempts`` (0), ``initial`` (1000), ``coefficient`` (2), ``maximum`` (100000), ``timeout`` (10000),
``probe``, ``on_unknown=incident``, ``key=input.account``, ``body=input.amount/input.parts``, ``participant`` (bank).
A command's body is a record whose ``given`` is the input, unless ``body`` says otherwise; that of an undo made from the
reply has the reply as ``undone``, or ``undo_body``.
"""

from decimal import Decimal
from typing import Any

from orchestrator.blueprint.model import (
    Answer,
    Blueprint,
    Expression,
    Fail,
    Label,
    Message,
    Node,
    Require,
    Retry,
    Step,
    StepKind,
)

_ANSWERS_BY_ITSELF = "demo"


def blueprint(text: str, *, name: str = "demo", hash: str = "hash-1") -> Blueprint:  # noqa: A002 - the model's word
    nodes: list[Node] = []
    undo_retry = Retry(initial_ms=1000, coefficient="2", maximum_ms=100_000, attempts_max=20)
    result: Expression | None = None
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        at = f"demo.py:{number}"
        word, *rest = line.split()
        match word:
            case "step" | "query" | "pivot" | "ensure":
                nodes.append(_step(word, rest[0], _options(rest[1:]), at))
            case "require":
                nodes.append(Require(condition=expression(rest[0]), otherwise=_answer(rest[2]), at=at))
            case "fail":
                nodes.append(Fail(why=_answer(rest[0]), at=at))
            case "label":
                attributes = {key: expression(value) for key, value in _options(rest).items()}
                nodes.append(Label(attributes=attributes, at=at))
            case "undo_retry":
                undo_retry = _retry(_options(rest))
            case "result":
                result = expression(rest[0])
            case _:
                raise ValueError(f"expected a node, undo_retry or result, got {line!r}")
    return Blueprint(
        format=1,
        name=name,
        input="schema-input",
        output=None if result is None else "schema-output",
        result=result,
        nodes=tuple(nodes),
        undo_retry=undo_retry,
        schemas={},
        hash=hash,
    )


def expression(text: str) -> Expression:
    """``input.a.b``, ``reply.step.field``, ``id``, ``started_at``, ``a/b`` (of decimals), or a word as literal."""
    if "/" in text:
        left, right = text.split("/")
        return {"op": "divide", "type": "decimal", "left": expression(left), "right": expression(right)}
    head, *path = text.split(".")
    tree: Expression
    match head:
        case "input" | "id" | "started_at":
            tree = {"op": head}
        case "reply":
            tree = {"op": "reply", "step": path.pop(0)}
        case _:
            tree = {"op": "literal", "value": text}
    for field in path:
        tree = {"op": "field", "of": tree, "name": field}
    return tree


def _step(kind: StepKind, name: str, options: dict[str, str], at: str) -> Step:
    undo = options.get("undo", "none")
    body = options.get("body")
    do = _record(given=expression("input") if body is None else expression(body))
    rejections = {} if kind in ("query", "ensure") else {"bank.Refused": "schema-refused"}
    return Step(
        name=name,
        kind=kind,
        command=_message(f"Do{name.title()}", do, options, rejections),
        undo=None
        if undo == "none"
        else _message(
            f"Undo{name.title()}",
            _record(undone=expression(options.get("undo_body", f"reply.{name}"))) if undo == "reply" else do,
            options,
            {},
        ),
        undo_uses_reply=undo == "reply",
        probe=_message(f"Find{name.title()}", _record(of=expression("id")), options, {})
        if "probe" in options
        else None,
        on_unknown="incident" if options.get("on_unknown") == "incident" else "undo",
        retry=_retry(options),
        timeout_ms=int(options.get("timeout", "10000")),
        at=at,
    )


def _message(type_name: str, body: Expression, options: dict[str, str], rejections: dict[str, str]) -> Message:
    participant = options.get("participant", "bank")
    key = options.get("key")
    return Message(
        type=f"{participant}.{type_name}",
        participant=participant,
        schema=f"schema-{type_name}",
        body=body,
        key=None if key is None else expression(key),
        reply=f"schema-{type_name}-reply",
        rejections=rejections,
    )


def _record(**fields: Expression) -> Expression:
    named: dict[str, Any] = {"op": "record", "type": "bank.Body", "fields": fields}
    return named


def _answer(name: str) -> Answer:
    body = _record(why=expression("input"))
    return Answer(type=f"{_ANSWERS_BY_ITSELF}.{name}", schema=f"schema-{name}", body=body)


def _retry(options: dict[str, str]) -> Retry:
    return Retry(
        initial_ms=int(options.get("initial", "1000")),
        coefficient=str(Decimal(options.get("coefficient", "2"))),
        maximum_ms=int(options.get("maximum", "100000")),
        attempts_max=int(options.get("attempts", "0")),
    )


def _options(words: list[str]) -> dict[str, str]:
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}
