"""Expressions: JSON trees that compute data from a saga's input and the replies so far, without code of an author.

Every node is ``{"op": …}``; ``of``, ``left``, ``right``, ``fallback`` and the elements of lists are expressions.

==================================  =======================  =====================================================
op                                  keys                     value
==================================  =======================  =====================================================
input                                                        the saga's input
reply                               step                     the reply of that step
id, started_at                                               of this saga
literal                             value                    the data that ``values.to_json`` gave
record                              type, fields             a record of that Avro full name
list, map                           items; entries           a list; a map
field                               of, name                 a field of a record
item                                of, index                an element of a list, from the end if negative
as                                  of, type                 the same, as the Avro schema ``type`` takes it
variant                             of, type                 a record with its full name, for a place in a union
add, subtract, multiply             type, left, right        type ``int`` (64 bits), ``decimal`` (38 digits, half
                                                             even), ``text`` (add only); a decimal takes ints too
divide                              type, left, right        type ``decimal``
floor_divide, modulo                type, left, right        Python's: ints round down, decimals towards zero
negate                              of
round                               of, digits               half even; without ``digits`` to an int
shift                               of, microseconds         a time later, a date by whole days
eq, ne, lt, le, gt, ge              left, right              a bool
all, any                            of (a list)              a bool; what is decided already is not evaluated
not                                 of                       a bool
one_of                              of, options (a list)     a bool
present                             of                       a bool: not None
default                             of, fallback             ``fallback`` where it is None
length                              of                       of a text, a list, a map
text                                parts (texts and nodes)  all of it in one text
trim                                of                       a decimal without zeros at the end of its fraction
==================================  =======================  =====================================================

How each value looks in a text: ``orchestrator.blueprint.text``.
"""

from collections.abc import Callable, Mapping
from typing import cast

from orchestrator.blueprint import values
from orchestrator.blueprint.adaptation import adaptation
from orchestrator.blueprint.arithmetic import BINARY, COMPARISONS, binary, moving, negative, rounding, unary
from orchestrator.blueprint.description import describe
from orchestrator.blueprint.evaluation import Evaluate, EvaluationError, Scope
from orchestrator.blueprint.model import Expression, Json
from orchestrator.blueprint.text import text_of, trimmed
from orchestrator.blueprint.values import RECORD_NAME, Data

__all__ = ["Evaluate", "EvaluationError", "Scope", "compile_expression", "steps_used"]


def compile_expression(tree: Expression) -> Evaluate:
    """The function that evaluates ``tree``; make it once, it is on the hot path.

    Raises ValueError for a tree with an operator that this version does not know.
    """
    op = tree.get("op")
    build = _BUILDERS.get(str(op))
    if build is None:
        raise ValueError(f"expected an operator of this version ({', '.join(_BUILDERS)}), got {op!r}")
    return build(tree)


def steps_used(tree: Json) -> frozenset[str]:
    """The names of the steps whose replies ``tree`` reads."""
    if isinstance(tree, list):
        return frozenset[str]().union(*map(steps_used, tree))
    if not isinstance(tree, dict) or tree.get("op") == "literal":
        return frozenset()
    if tree.get("op") == "reply":
        return frozenset((str(tree["step"]),))
    return frozenset[str]().union(*map(steps_used, tree.values()))


def _part(tree: Expression, key: str) -> Evaluate:
    return compile_expression(cast("Expression", tree[key]))


def _parts(tree: Expression, key: str) -> tuple[Evaluate, ...]:
    return tuple(compile_expression(part) for part in cast("list[Expression]", tree[key]))


def _failed(tree: Expression, why: object) -> EvaluationError:
    return EvaluationError(f"{describe(tree)}: {why}")


# ---------------------------------------------------------------- where values come from


def _input(_: Expression) -> Evaluate:
    return lambda scope: scope.input


def _reply(tree: Expression) -> Evaluate:
    step = str(tree["step"])

    def read(scope: Scope) -> Data:
        try:
            return scope.replies[step]
        except KeyError:
            raise EvaluationError(f"expected a reply of step {step!r}, but it has none") from None

    return read


def _id(_: Expression) -> Evaluate:
    return lambda scope: scope.id


def _started_at(_: Expression) -> Evaluate:
    return lambda scope: scope.started_at


def _literal(tree: Expression) -> Evaluate:
    value = values.from_json(tree["value"])
    return lambda _: value


# ---------------------------------------------------------------- records, lists, maps


def _record(tree: Expression) -> Evaluate:
    return _named(cast("Mapping[str, Expression]", tree["fields"]))


def _map(tree: Expression) -> Evaluate:
    return _named(cast("Mapping[str, Expression]", tree["entries"]))


def _named(trees: Mapping[str, Expression]) -> Evaluate:
    parts = tuple((name, compile_expression(part)) for name, part in trees.items())

    def make(scope: Scope) -> Data:
        return {name: evaluate(scope) for name, evaluate in parts}

    return make


def _list(tree: Expression) -> Evaluate:
    items = _parts(tree, "items")
    return lambda scope: [evaluate(scope) for evaluate in items]


def _field(tree: Expression) -> Evaluate:
    of, name = _part(tree, "of"), str(tree["name"])

    def read(scope: Scope) -> Data:
        holder = of(scope)
        if holder is None:
            raise _failed(tree, "expected a record, got None")
        return cast("dict[str, Data]", holder)[name]

    return read


def _item(tree: Expression) -> Evaluate:
    of, index = _part(tree, "of"), cast("int", tree["index"])

    def read(scope: Scope) -> Data:
        holder = cast("list[Data] | None", of(scope))
        if holder is None:
            raise _failed(tree, "expected a list, got None")
        try:
            return holder[index]
        except IndexError:
            raise _failed(tree, f"expected an element there, got a list of {len(holder)}") from None

    return read


def _as(tree: Expression) -> Evaluate:
    of, adapt = _part(tree, "of"), adaptation(tree["type"])

    def convert(scope: Scope) -> Data:
        try:
            return adapt(of(scope))
        except EvaluationError as error:
            raise _failed(tree, error) from error

    return convert


def _variant(tree: Expression) -> Evaluate:
    of, name = _part(tree, "of"), str(tree["type"])

    def mark(scope: Scope) -> Data:
        record = of(scope)
        return None if record is None else {**cast("dict[str, Data]", record), RECORD_NAME: name}

    return mark


# ---------------------------------------------------------------- computing


def _binary(tree: Expression) -> Evaluate:
    return binary(tree, BINARY[str(tree["type"])][str(tree["op"])], _part(tree, "left"), _part(tree, "right"))


def _comparison(tree: Expression) -> Evaluate:
    return binary(tree, COMPARISONS[str(tree["op"])], _part(tree, "left"), _part(tree, "right"))


def _negate(tree: Expression) -> Evaluate:
    return unary(tree, negative, _part(tree, "of"))


def _round(tree: Expression) -> Evaluate:
    return unary(tree, rounding(cast("int | None", tree.get("digits"))), _part(tree, "of"))


def _shift(tree: Expression) -> Evaluate:
    return unary(tree, moving(cast("int", tree["microseconds"])), _part(tree, "of"))


def _length(tree: Expression) -> Evaluate:
    return unary(tree, len, _part(tree, "of"))


# ---------------------------------------------------------------- conditions


def _condition(tree: Expression, evaluate: Evaluate) -> Callable[[Scope], bool]:
    def decide(scope: Scope) -> bool:
        value = evaluate(scope)
        if not isinstance(value, bool):
            raise _failed(tree, f"expected conditions, got {value!r}")
        return value

    return decide


def _all(tree: Expression) -> Evaluate:
    conditions = [_condition(tree, evaluate) for evaluate in _parts(tree, "of")]
    return lambda scope: all(condition(scope) for condition in conditions)


def _any(tree: Expression) -> Evaluate:
    conditions = [_condition(tree, evaluate) for evaluate in _parts(tree, "of")]
    return lambda scope: any(condition(scope) for condition in conditions)


def _not(tree: Expression) -> Evaluate:
    condition = _condition(tree, _part(tree, "of"))
    return lambda scope: not condition(scope)


def _one_of(tree: Expression) -> Evaluate:
    of, options = _part(tree, "of"), _parts(tree, "options")

    def decide(scope: Scope) -> bool:
        value = of(scope)
        return any(value == option(scope) for option in options)

    return decide


def _present(tree: Expression) -> Evaluate:
    of = _part(tree, "of")
    return lambda scope: of(scope) is not None


def _default(tree: Expression) -> Evaluate:
    of, fallback = _part(tree, "of"), _part(tree, "fallback")

    def choose(scope: Scope) -> Data:
        value = of(scope)
        return fallback(scope) if value is None else value

    return choose


# ---------------------------------------------------------------- text


def _text(tree: Expression) -> Evaluate:
    parts = [
        part if isinstance(part, str) else _shown(tree, cast("Expression", part))
        for part in cast("list[Json]", tree["parts"])
    ]
    return lambda scope: "".join([part if isinstance(part, str) else part(scope) for part in parts])


def _shown(tree: Expression, part: Expression) -> Callable[[Scope], str]:
    evaluate = compile_expression(part)

    def show(scope: Scope) -> str:
        value = evaluate(scope)
        try:
            return text_of(value)
        except TypeError as error:
            raise _failed(tree, error) from error

    return show


def _trim(tree: Expression) -> Evaluate:
    return unary(tree, trimmed, _part(tree, "of"))


_BUILDERS: Mapping[str, Callable[[Expression], Evaluate]] = {
    "input": _input,
    "reply": _reply,
    "id": _id,
    "started_at": _started_at,
    "literal": _literal,
    "record": _record,
    "list": _list,
    "map": _map,
    "field": _field,
    "item": _item,
    "as": _as,
    "variant": _variant,
    "add": _binary,
    "subtract": _binary,
    "multiply": _binary,
    "divide": _binary,
    "floor_divide": _binary,
    "modulo": _binary,
    "negate": _negate,
    "round": _round,
    "shift": _shift,
    "eq": _comparison,
    "ne": _comparison,
    "lt": _comparison,
    "le": _comparison,
    "gt": _comparison,
    "ge": _comparison,
    "all": _all,
    "any": _any,
    "not": _not,
    "one_of": _one_of,
    "present": _present,
    "default": _default,
    "length": _length,
    "text": _text,
    "trim": _trim,
}
