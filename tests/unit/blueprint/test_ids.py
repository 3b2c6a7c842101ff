from uuid import UUID

import pytest

from orchestrator.blueprint.ids import command_id, fault_of_name, fault_of_saga_id, keyed_saga_id


@pytest.mark.parametrize("name", ["a", "withdraw", "Überweisung 1", "x" * 200, "a.b-c:d"])
def test_names_may_have_anything_that_separates_no_parts_of_an_id(name: str) -> None:
    assert fault_of_name(name) is None
    assert fault_of_saga_id(name) is None


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("", "expected 1 to 200 characters, got 0"),
        ("x" * 201, "expected 1 to 200 characters, got 201"),
        ("a/b", "the character '/' is not allowed"),
        ("a~b", "the character '~' is not allowed"),
        ("a\nb", "the control character '\\n' is not allowed"),
        ("a\ud800", "the control character '\\ud800' is not allowed"),
    ],
)
def test_what_separates_parts_of_an_id_is_refused_in_names_and_ids(name: str, fault: str) -> None:
    for found in (fault_of_name(name), fault_of_saga_id(name)):
        assert found is not None
        assert found.startswith(fault)


def test_brackets_are_refused_in_names_only() -> None:
    assert fault_of_name("a[0]") is not None
    assert fault_of_saga_id("a[0]") is None


def test_ids_are_made_of_their_parts() -> None:
    assert command_id("t-1", "withdraw", 0, "do") == "t-1/withdraw/0/do"
    assert keyed_saga_id("prod", "transfer", "k") == keyed_saga_id("prod", "transfer", "k")
    assert (
        len({keyed_saga_id(*parts) for parts in (("a", "b", "c"), ("a", "b", "d"), ("a", "x", "c"), ("y", "b", "c"))})
        == 4
    )
    assert UUID(keyed_saga_id("prod", "transfer", "k")).version == 5
