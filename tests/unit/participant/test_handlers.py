"""Handlers are checked when they are registered, also for authors who run no type checker."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator import Context, Participant, PostgresInbox
from orchestrator.errors import HandlerRefused
from tests.unit.participant.messages import Closed, Deposit, Find, Forget, Poor, Receipt, Shipment, Withdraw

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForCheckers


def exact(command: Withdraw, context: Context[None]) -> Receipt:
    raise NotImplementedError


def with_rejections(command: Withdraw, context: Context[None]) -> Receipt | Poor | Closed:
    raise NotImplementedError


def never_well(command: Withdraw, context: Context[None]) -> Poor:
    raise NotImplementedError


# What is accepted: an author need not run a type checker.
def without_annotations(command, context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    raise NotImplementedError


def unresolvable(command: "OnlyForCheckers", context: "OnlyForCheckers") -> "OnlyForCheckers":
    raise NotImplementedError


def for_both(command: Withdraw | Deposit, context: Context[None]) -> Receipt:
    raise NotImplementedError


def nothing(command: Forget, context: Context[None]) -> None:
    raise NotImplementedError


def optional(command: Find, context: Context[None]) -> Receipt | None:
    raise NotImplementedError


def only_some(command: Find, context: Context[None]) -> Receipt:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "handler"),
    [
        (Withdraw, exact),
        (Withdraw, with_rejections),
        (Withdraw, never_well),
        (Withdraw, without_annotations),
        (Withdraw, unresolvable),
        (Withdraw, for_both),
        (Deposit, for_both),
        (Forget, nothing),
        (Find, optional),
        (Find, only_some),
    ],
)
def test_handlers_that_fit_are_given_back_as_they_are(kind: Any, handler: Callable[..., Any]) -> None:
    assert Participant("bank").handles(kind)(handler) is handler


def wrong_reply(command: Withdraw, context: Context[None]) -> Shipment:
    raise NotImplementedError


def wrong_command(command: Deposit, context: Context[None]) -> Receipt:
    raise NotImplementedError


def undeclared(command: Deposit, context: Context[None]) -> Receipt | Poor:
    raise NotImplementedError


def forgetful(command: Withdraw, context: Context[None]) -> Receipt | None:
    raise NotImplementedError


def talkative(command: Forget, context: Context[None]) -> Receipt:
    raise NotImplementedError


def one_argument(command: Withdraw) -> Receipt:
    raise NotImplementedError


async def waiting(command: Withdraw, context: Context[None]) -> Receipt:
    raise NotImplementedError


async def waiting_for_the_wrong(command: Withdraw, context: Context[None]) -> Shipment:
    raise NotImplementedError


class Waiting:
    async def __call__(self, command: Withdraw, context: Context[None]) -> Receipt:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "handler", "text"),
    [
        (Withdraw, wrong_reply, "the handler returns Shipment, expected Receipt | Poor | Closed"),
        (Withdraw, wrong_command, "the handler takes Deposit, expected Withdraw"),
        (Deposit, undeclared, "the handler returns Poor, expected Receipt"),
        (Withdraw, forgetful, "the handler returns None, expected Receipt | Poor | Closed"),
        (Forget, talkative, "the handler returns Receipt, expected None"),
        (Withdraw, one_argument, "expected a function of (command, context)"),
        (Withdraw, waiting_for_the_wrong, "the handler returns Shipment, expected Receipt | Poor | Closed"),
        (Receipt, exact, "expected a Command or a Query"),
    ],
)
def test_handlers_that_do_not_fit_are_refused(kind: Any, handler: Callable[..., Any], text: str) -> None:
    with pytest.raises(HandlerRefused) as caught:
        Participant("bank").handles(kind)(handler)
    assert text in str(caught.value)
    assert f"@bank.handles({kind.__name__})" in str(caught.value)


@pytest.mark.parametrize("handler", [waiting, Waiting()])
def test_an_async_handler_fits_unless_there_is_an_inbox(handler: Any) -> None:
    assert Participant("bank").handles(Withdraw)(handler) is handler
    with pytest.raises(HandlerRefused, match="expected a plain function, got an async one: the inbox's connection"):
        Participant("bank", inbox=PostgresInbox("dsn")).handles(Withdraw)(handler)


def test_the_place_of_the_handler_is_named() -> None:
    wrong: Any = wrong_reply
    line = wrong.__code__.co_firstlineno
    with pytest.raises(HandlerRefused, match=f"^test_handlers.py:{line}  "):
        Participant("bank").handles(Withdraw)(wrong)


def test_a_message_of_another_participant_is_refused() -> None:
    with pytest.raises(HandlerRefused, match="Withdraw is sent to 'bank', this participant is 'shop'"):
        Participant("shop").handles(Withdraw)(exact)


def test_a_second_handler_is_refused() -> None:
    bank = Participant("bank")
    bank.handles(Withdraw)(exact)
    with pytest.raises(HandlerRefused, match="it has a handler already"):
        bank.handles(Withdraw)(with_rejections)


@pytest.mark.parametrize("name", ["", "the bank", "b" * 250])
def test_a_name_that_cannot_name_a_topic_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="in the participant"):
        Participant(name)
