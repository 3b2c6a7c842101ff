"""What a client makes of bytes: the author's own classes, where it can."""

from decimal import Decimal

import pytest

from orchestrator import Record, Rejection
from orchestrator.client.contract import Contract, UntypedContract
from orchestrator.definition.conversion import to_data
from orchestrator.definition.schema import avro_schema
from orchestrator.errors import MessageRejected
from orchestrator.wire.avro import Codec
from orchestrator.wire.body import AvroBody
from tests.unit.client import sagas


class Declined(Rejection):
    """Of the name and the fields of the saga's own, and not the saga's."""

    why: str


class Stranger(Rejection):
    amount: Decimal


class Ticket(Record):
    seat: int


def body_of(value: object, namespace: str) -> AvroBody:
    codec = Codec(avro_schema(type(value), namespace))
    return AvroBody(codec.schema_id, codec.encode(to_data(value, type(value), namespace)))


def unpublished(_: str) -> None:
    return None


def test_a_rejection_is_of_the_class_that_the_saga_names() -> None:
    contract = Contract(sagas.purchase, unpublished)
    found = contract.rejection("billing.Declined", body_of(Declined(why="limit"), "billing"))
    assert type(found) is sagas.Declined
    assert found == sagas.Declined(why="limit")


def test_a_rejection_that_only_somebody_else_names_is_found_too() -> None:
    contract = Contract(sagas.purchase, unpublished)
    assert contract.rejection("x.Stranger", body_of(Stranger(amount=Decimal(2)), "x")) == Stranger(amount=Decimal(2))


def test_a_rejection_that_nobody_knows_is_none() -> None:
    contract = Contract(sagas.purchase, unpublished)
    assert contract.rejection("billing.Unheard", body_of(Declined(why="limit"), "billing")) is None
    assert contract.rejection("billing.Declined", body_of(Ticket(seat=1), "billing")) is None


def test_an_output_of_an_older_version_is_read_with_the_schema_that_wrote_it() -> None:
    contract = Contract(sagas.purchase_with_noted_answer, lambda _: avro_schema(sagas.Receipt, "purchase"))
    older = body_of(sagas.Receipt(total=Decimal("2.50")), "purchase")
    assert contract.output(older) == sagas.ReceiptWithNote(total=Decimal("2.50"))


def test_an_output_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(MessageRejected, match="published"):
        Contract(sagas.purchase, unpublished).output(body_of(Ticket(seat=1), "purchase"))


def test_an_input_that_is_no_utf_8_is_refused_with_the_place() -> None:
    with pytest.raises(MessageRejected, match=r"got '\\udcff'.* in purchase\.Order\.amount"):
        UntypedContract(sagas.purchase.compile(), unpublished).input('{"amount": "\udcff"}')
