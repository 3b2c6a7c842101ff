"""The id that an idempotency key gives is golden: a client's repeat from another version hangs on it."""

from uuid import NAMESPACE_URL, uuid5

from orchestrator.blueprint.ids import keyed_saga_id


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
