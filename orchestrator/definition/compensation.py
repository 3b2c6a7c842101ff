"""The undo and the probe of a step: what they must be so that a step can be undone whatever has become of it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from orchestrator.blueprint.description import describe
from orchestrator.blueprint.expression import steps_used
from orchestrator.blueprint.model import Json, Message
from orchestrator.definition.exchanges import Exchanges
from orchestrator.definition.kinds import Kind, NoneType, may_be_none, members, name_of, with_article
from orchestrator.definition.messages import AnyCommand, Query, is_message
from orchestrator.definition.trace import Trace
from orchestrator.definition.traced import is_traced, meaning_of


@dataclass(frozen=True)
class Written:
    """What the author wrote about the undoing of a step; nothing of it is checked yet."""

    undo: object
    probe: object
    on_unknown: object


@dataclass(frozen=True)
class Compensation:
    """The undoing of a step, as the blueprint has it."""

    undo: Message | None = None
    undo_uses_reply: bool = False
    probe: Message | None = None
    on_unknown: Literal["undo", "incident"] = "undo"


NO_COMPENSATION = Compensation()
"""Of what is never undone: queries, the pivot, and what comes after it."""


class Compensations:
    """Makes the compensation of each step, and reports what is wrong with it."""

    def __init__(
        self, trace: Trace, exchanges: Exchanges, calling: Callable[[str, Callable[[], object]], object]
    ) -> None:
        self._trace = trace
        self._exchanges = exchanges
        self._calling = calling
        """Runs an undo made from the reply, in which nothing durable may happen."""

    def of(self, name: str, command: type, do: Message, reply: tuple[Kind, object], written: Written) -> Compensation:
        """The compensation of step ``name``; ``reply`` is its kind, and the value an undo is made from."""
        before = len(self._trace.problems)
        undo = self._undo(name, written.undo, reply[1])
        probe = self._probe(name, command, reply[0], written.probe)
        if len(self._trace.problems) == before:  # else the keys may be wrong because of that
            self._same_inbox(name, do, undo, "undo")
            self._same_inbox(name, do, probe, "probe")
        uses_reply = undo is not None and name in steps_used([undo.body, undo.key])
        self._check_unknown(name, uses_reply, written)
        incident = type(written.on_unknown) is str and written.on_unknown == "incident"
        on_unknown: Literal["undo", "incident"] = "incident" if incident else "undo"
        return Compensation(undo, uses_reply, probe, on_unknown)

    def _check_unknown(self, name: str, uses_reply: bool, written: Written) -> None:  # noqa: FBT001  # one of the facts
        on_unknown = written.on_unknown
        if on_unknown is not None and (type(on_unknown) is not str or on_unknown not in ("undo", "incident")):
            self._trace.report(f'"{name}": on_unknown is "undo" or "incident", got {_shown(on_unknown)}')
        elif uses_reply and on_unknown == "undo":
            self._trace.report(f'"{name}": on_unknown="undo" needs an undo that does not use the reply')
        elif uses_reply and written.probe is None and on_unknown is None:
            self._trace.report(
                f'"{name}": if its reply never comes, this undo, made from the reply, cannot run: '
                'add probe=… (a Query that finds out) or on_unknown="incident"'
            )

    def _undo(self, name: str, undo: object, reply: object) -> Message | None:
        if undo is None:
            return None
        if not is_traced(undo) and callable(undo) and not isinstance(undo, type):
            try:
                inspect.signature(undo).bind(reply)
            except TypeError:
                self._trace.report(f'"{name}": undo= is given the reply: write undo=lambda reply: …')
                return None
            undo = self._calling(name, lambda: cast("Callable[[object], object]", undo)(reply))
        if is_traced(undo) and meaning_of(undo).is_anything:
            return None
        if is_traced(undo) or not isinstance(undo, AnyCommand) or not is_message(type(undo)):
            self._trace.report(f'"{name}": undo= is a command, got {_shown(undo)}')
            return None
        return self._exchanges.message(undo)

    def _probe(self, name: str, command: type, reply: Kind, probe: object) -> Message | None:
        if probe is None:
            return None
        if is_traced(probe) or not isinstance(probe, Query):
            self._trace.report(f'"{name}": probe= is a Query, got {_shown(probe)}')
            return None
        query = cast("Query[Any]", probe)
        kind = type(query)
        answers = self._exchanges.answers(kind)
        if reply is None or may_be_none(reply):
            self._trace.report(
                f'"{name}": a probe tells by None that nothing happened, but {command.__name__} itself '
                'may answer None: write on_unknown="incident"'
            )
        elif answers is not None and set(members(answers.reply)) != {*members(reply), NoneType}:
            self._trace.report(
                f'"{name}": its probe {kind.__name__} answers {name_of(answers.reply)}, '
                f"expected {name_of(reply)} | None: the reply of {command.__name__}, or None if it did not happen"
            )
        return self._exchanges.message(query)

    def _same_inbox(self, name: str, do: Message, other: Message | None, role: str) -> None:
        """A late do can only be refused by the inbox that saw the undo: same participant, same partition key."""
        if other is None:
            return
        command, its = do.type.rpartition(".")[2], other.type.rpartition(".")[2]
        if do.participant != other.participant:
            self._trace.report(
                f'"{name}": {command} goes to {do.participant!r}, its {role} {its} to {other.participant!r}: '
                "both must go to one participant"
            )
        elif (do.key or _SAGA_ID) != (other.key or _SAGA_ID):
            self._trace.report(
                f'"{name}": {command} has the key {self._shown_key(do)}, its {role} {its} {self._shown_key(other)}: '
                "both must have one key"
            )

    def _shown_key(self, message: Message) -> str:
        key = message.key or _SAGA_ID
        if key["op"] == "text":  # of one part, which is no text itself
            (key,) = cast("list[dict[str, Json]]", key["parts"])
        return describe(key, self._trace.input_name)


_SAGA_ID: dict[str, Json] = {"op": "id"}


def _shown(value: object) -> str:
    if is_traced(value):
        return "a value that is not known yet"
    if isinstance(value, str):
        return repr(value)
    return f"the class {value.__name__}" if isinstance(value, type) else with_article(type(value))
