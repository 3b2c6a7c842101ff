"""How many transfers are in flight, and what becomes of a start that Kafka does not take."""

import threading
from typing import TYPE_CHECKING, cast

import pytest

from chaos import load as load_module
from chaos.load import Load
from demo import accounts
from examples.money_transfer.saga import Receipt
from orchestrator.client.handle import Handle, Reader
from orchestrator.client.watch import Watch
from orchestrator.errors import Unavailable
from orchestrator.wire.outcome import RequestAnswered, SagaEnded

if TYPE_CHECKING:
    from orchestrator.client.client import Client

ORDERS = {f"t-{number}": order for number, order in enumerate(accounts.plan(9))}


class Desk:
    """In the place of a client: the test says what becomes of each start."""

    def __init__(self) -> None:
        self.watches: dict[str, Watch] = {}

    def submit(self, _saga: object, _transfer: object, *, id: str) -> Handle[Receipt]:  # noqa: A002 - as Client's
        assert id not in self.watches, "asked for twice"
        watch = self.watches[id] = Watch(id, threading.RLock())
        return Handle(watch, f"r-{id}", cast("Reader[Receipt]", None), lambda _watch, _until: None)

    def end(self, name: str) -> None:
        self.watches[name].learn(
            SagaEnded(
                saga_id=name,
                saga="money_transfer",
                status="completed",
                output=None,
                rejection_type=None,
                rejection=None,
                reason="",
                started_ms=0,
                ended_ms=1,
            )
        )

    def refuse(self, name: str) -> None:
        self.watches[name].fail(f"r-{name}", Unavailable("Kafka does not answer"))

    def accept(self, name: str) -> None:
        self.watches[name].learn(RequestAnswered(request_id=f"r-{name}", saga_id=name, result="accepted", text=""))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def load(desk: Desk) -> Load:
    return Load(cast("Client", desk), ORDERS, window=3)


def test_as_many_are_in_flight_as_the_window_has_room_for_and_as_are_allowed(load: Load, desk: Desk) -> None:
    load.fill(9)
    assert list(desk.watches) == ["t-0", "t-1", "t-2"]
    desk.end("t-1")
    load.fill(9)
    assert (load.started, load.ended, load.in_flight) == (4, 1, 3)
    desk.end("t-0")
    load.fill(4)
    assert (load.started, load.ended, load.in_flight) == (4, 2, 2)


def test_a_start_that_could_not_be_sent_is_waited_for_no_longer(
    load: Load, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.fill(3)
    desk.refuse("t-0")
    load.look()
    assert (load.unsent, load.in_flight) == (frozenset(), 3)
    monkeypatch.setattr(load_module, "DOUBT_S", -1.0)
    assert (load.unsent, load.in_flight, load.done) == ({"t-0"}, 2, 1)


def test_a_start_that_was_made_nevertheless_counts_as_any_other(
    load: Load, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_module, "DOUBT_S", -1.0)
    load.fill(2)
    desk.refuse("t-0")
    desk.refuse("t-1")
    load.look()
    assert load.unsent == {"t-0", "t-1"}
    desk.accept("t-0")
    desk.end("t-1")
    load.look()
    assert (load.unsent, load.in_flight, load.done) == (frozenset(), 1, 1)
