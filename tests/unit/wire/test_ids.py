"""Ids as they stand on the wire: golden, for a participant's inbox and a client's repeat hang on them."""

from uuid import NAMESPACE_URL, uuid5

from orchestrator.blueprint.ids import command_id, fault_of_name, fault_of_saga_id, keyed_saga_id


def test_a_command_id_is_saga_path_generation_and_role() -> None:
    assert command_id("t-1", "withdraw", 0, "do") == "t-1/withdraw/0/do"
    assert command_id("t-1", "charge[2][0]", 3, "undo") == "t-1/charge[2][0]/3/undo"


def test_an_idempotency_key_always_gives_the_same_saga() -> None:
    first = keyed_saga_id("ns", "money_transfer", "order-17")
    assert first == str(uuid5(uuid5(NAMESPACE_URL, "ns"), "money_transfer\norder-17")) == GOLDEN_KEYED
    assert (
        len(
            {
                first,
                keyed_saga_id("ns", "money_transfer", "order-18"),
                keyed_saga_id("other", "money_transfer", "order-17"),
            }
        )
        == 3
    )


GOLDEN_KEYED = "c8e382ad-6069-5eae-a16b-774566507f31"


def test_what_separates_the_parts_of_an_id_is_refused_in_them() -> None:
    assert [fault_of_saga_id(text) is None for text in ("a", "x" * 200, "a[0]", "ü 1")] == [True] * 4
    assert [fault_of_saga_id(text) is None for text in ("", "x" * 201, "a/b", "a~b", "a\0", "a\x7f")] == [False] * 6
    assert [fault_of_name(text) is None for text in ("a", "a[0]", "a/b", "a~b", "a]")] == [
        True,
        False,
        False,
        False,
        False,
    ]
