import dataclasses
import json
from pathlib import Path

import pytest

from examples.money_transfer.saga import money_transfer
from orchestrator.blueprint import canonical
from orchestrator.blueprint.canonical import BlueprintInvalid
from orchestrator.blueprint.model import Answer, Blueprint, Expression, Fail, Label, Require, Step

GOLDEN = Path(__file__).parent / "money_transfer.json"
"""The blueprint of examples/money_transfer, indented; its hash is what sagas in flight are bound to."""


@pytest.fixture(scope="module")
def blueprint() -> Blueprint:
    return money_transfer.compile()


def test_the_money_transfer_has_this_blueprint_and_hash(blueprint: Blueprint) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert canonical.to_json(blueprint) == golden
    assert blueprint.hash == "501d96c098563ad55fd4109d8b51e6cf24750532f66b92f3a249d4060bdbf0cb"


def test_the_canonical_text_comes_back_as_the_same_blueprint(blueprint: Blueprint) -> None:
    text = canonical.dumps(blueprint)
    assert canonical.loads(text) == blueprint
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_every_kind_of_node_comes_back(blueprint: Blueprint) -> None:
    step = blueprint.nodes[0]
    assert isinstance(step, Step)
    body: Expression = {"op": "record", "type": "m.No", "fields": {}}
    answer = Answer(type="m.No", schema="1", body=body)
    nodes = (
        dataclasses.replace(step, probe=step.undo, on_unknown="incident", undo_uses_reply=True),
        dataclasses.replace(step, kind="ensure", undo=None),
        Require(condition={"op": "literal", "value": True}, otherwise=answer, at="f:1"),
        Label(attributes={"a": {"op": "id"}}, at="f:2"),
        Fail(why=answer, at="f:3"),
    )
    other = dataclasses.replace(blueprint, nodes=nodes, output=None, result=None)
    other = dataclasses.replace(other, hash=canonical.hash_of(other))
    assert canonical.loads(canonical.dumps(other)) == other


def test_the_place_in_the_source_is_outside_of_the_hash_and_everything_else_inside(blueprint: Blueprint) -> None:
    step = blueprint.nodes[0]
    assert isinstance(step, Step)
    moved = dataclasses.replace(blueprint, nodes=(dataclasses.replace(step, at="x:1"), *blueprint.nodes[1:]))
    slower = dataclasses.replace(blueprint, nodes=(dataclasses.replace(step, timeout_ms=1), *blueprint.nodes[1:]))
    assert canonical.hash_of(moved) == blueprint.hash
    assert canonical.hash_of(slower) != blueprint.hash
    assert canonical.hash_of(dataclasses.replace(blueprint, name="other")) != blueprint.hash


def test_a_changed_text_is_refused_with_both_hashes(blueprint: Blueprint) -> None:
    text = canonical.dumps(blueprint).replace('"timeout_ms":10000', '"timeout_ms":1', 1)
    with pytest.raises(BlueprintInvalid, match=rf"money_transfer to have hash [0-9a-f]{{64}}, got {blueprint.hash}"):
        canonical.loads(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no json", "expected a blueprint as JSON, got 'no json'"),
        ("[]", "expected a blueprint as a JSON object"),
        ('{"format":2}', "expected a blueprint of format 1, got format 2"),
        ('{"format":1,"name":"x"}', "expected a blueprint, but in 'x' KeyError"),
    ],
)
def test_what_is_no_blueprint_is_refused(text: str, why: str) -> None:
    with pytest.raises(BlueprintInvalid) as caught:
        canonical.loads(text)
    assert str(caught.value).startswith(why)
