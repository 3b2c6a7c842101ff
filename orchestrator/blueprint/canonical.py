"""A blueprint as JSON, and the hash of it that is its version. Places in the source travel along, outside the hash."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from orchestrator.blueprint.model import (
    Answer,
    Blueprint,
    Expression,
    Fail,
    Json,
    Label,
    Message,
    Node,
    Require,
    Retry,
    Step,
)

FORMAT: Final = 1
"""Of the JSON; an older reader refuses a newer one."""

JsonObject: TypeAlias = dict[str, Json]


class BlueprintInvalid(ValueError):
    """A text is no blueprint, has a newer format, or its hash is not that of its content."""


def to_json(blueprint: Blueprint) -> JsonObject:
    """The whole blueprint, ``hash`` and every ``at`` included."""
    return {**_content(blueprint), "hash": blueprint.hash}


def from_json(found: Mapping[str, Json]) -> Blueprint:
    """The blueprint that ``to_json`` gave; raises BlueprintInvalid. The hash is taken as it stands: see ``loads``."""
    if found.get("format") != FORMAT:
        raise BlueprintInvalid(f"expected a blueprint of format {FORMAT}, got format {found.get('format')!r}")
    try:
        return _blueprint(cast("dict[str, Any]", found))
    except (KeyError, TypeError, AttributeError) as error:
        raise BlueprintInvalid(f"expected a blueprint, but in {found.get('name')!r} {error!r} was found") from error


def dumps(blueprint: Blueprint) -> str:
    """The canonical text of ``to_json``: keys sorted, no white space."""
    return _canonical(to_json(blueprint))


def loads(text: str) -> Blueprint:
    """The blueprint that ``dumps`` wrote; raises BlueprintInvalid, also when its hash is not that of its content."""
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise BlueprintInvalid(f"expected a blueprint as JSON, got {text[:100]!r}") from error
    if not isinstance(found, dict):
        raise BlueprintInvalid(f"expected a blueprint as a JSON object, got {text[:100]!r}")
    blueprint = from_json(cast("JsonObject", found))
    computed = hash_of(blueprint)
    if blueprint.hash != computed:
        raise BlueprintInvalid(f"expected blueprint {blueprint.name} to have hash {computed}, got {blueprint.hash}")
    return blueprint


def hash_of(blueprint: Blueprint) -> str:
    """The version of ``blueprint``: sha256 (hex) of its canonical text without ``hash`` and ``at``."""
    content = _content(blueprint)
    for node in cast("list[JsonObject]", content["nodes"]):
        del node["at"]
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


# ---------------------------------------------------------------- to JSON


def _content(blueprint: Blueprint) -> JsonObject:
    return {
        "format": blueprint.format,
        "name": blueprint.name,
        "input": blueprint.input,
        "output": blueprint.output,
        "result": blueprint.result,
        "nodes": [_node_json(node) for node in blueprint.nodes],
        "undo_retry": _retry_json(blueprint.undo_retry),
        "schemas": dict(blueprint.schemas),
    }


def _node_json(node: Node) -> JsonObject:
    match node:
        case Step():
            return _step_json(node)
        case Require():
            return {
                "kind": "require",
                "condition": node.condition,
                "otherwise": _answer_json(node.otherwise),
                "at": node.at,
            }
        case Fail():
            return {"kind": "fail", "why": _answer_json(node.why), "at": node.at}
        case Label():
            return {"kind": "label", "attributes": dict(node.attributes), "at": node.at}


def _step_json(step: Step) -> JsonObject:
    return {
        "kind": step.kind,
        "name": step.name,
        "command": _message_json(step.command),
        "undo": None if step.undo is None else _message_json(step.undo),
        "undo_uses_reply": step.undo_uses_reply,
        "probe": None if step.probe is None else _message_json(step.probe),
        "on_unknown": step.on_unknown,
        "retry": _retry_json(step.retry),
        "timeout_ms": step.timeout_ms,
        "at": step.at,
    }


def _message_json(message: Message) -> JsonObject:
    return {
        "type": message.type,
        "participant": message.participant,
        "schema": message.schema,
        "body": message.body,
        "key": message.key,
        "reply": message.reply,
        "rejections": dict(message.rejections),
    }


def _answer_json(answer: Answer) -> JsonObject:
    return {"type": answer.type, "schema": answer.schema, "body": answer.body}


def _retry_json(retry: Retry) -> JsonObject:
    return {
        "initial_ms": retry.initial_ms,
        "coefficient": retry.coefficient,
        "maximum_ms": retry.maximum_ms,
        "attempts_max": retry.attempts_max,
    }


# ---------------------------------------------------------------- from JSON


def _blueprint(found: dict[str, Any]) -> Blueprint:
    return Blueprint(
        format=found["format"],
        name=found["name"],
        input=found["input"],
        output=found["output"],
        result=found["result"],
        nodes=tuple(_NODES[node["kind"]](node) for node in found["nodes"]),
        undo_retry=Retry(**found["undo_retry"]),
        schemas=dict(found["schemas"]),
        hash=found["hash"],
    )


def _step(found: dict[str, Any]) -> Step:
    undo, probe = found["undo"], found["probe"]
    return Step(
        name=found["name"],
        kind=found["kind"],
        command=_message(found["command"]),
        undo=None if undo is None else _message(undo),
        undo_uses_reply=found["undo_uses_reply"],
        probe=None if probe is None else _message(probe),
        on_unknown=found["on_unknown"],
        retry=Retry(**found["retry"]),
        timeout_ms=found["timeout_ms"],
        at=found["at"],
    )


def _message(found: dict[str, Any]) -> Message:
    return Message(**found)


def _require(found: dict[str, Any]) -> Require:
    condition: Expression = found["condition"]
    return Require(condition=condition, otherwise=Answer(**found["otherwise"]), at=found["at"])


def _fail(found: dict[str, Any]) -> Fail:
    return Fail(why=Answer(**found["why"]), at=found["at"])


def _label(found: dict[str, Any]) -> Label:
    return Label(attributes=dict(found["attributes"]), at=found["at"])


_NODES: Mapping[str, Callable[[dict[str, Any]], Node]] = {
    "step": _step,
    "query": _step,
    "pivot": _step,
    "ensure": _step,
    "require": _require,
    "fail": _fail,
    "label": _label,
}
