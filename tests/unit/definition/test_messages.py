import contextlib
import copy
import dataclasses
import inspect
import pickle
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from multiprocessing import get_context

import pytest

from orchestrator import Command, Digits, Query, Record, Rejection
from orchestrator.definition.messages import Answers, answers_of, full_name, is_message


class Receipt(Record):
    balance: Decimal


class InsufficientFunds(Rejection):
    balance: Decimal


class Closed(Rejection):
    accounts: list[str]
    reason: str = "closed"


class Withdraw(Command[Receipt, InsufficientFunds | Closed], to="bank"):
    account: str


class Refund(Command[None], to="bank"):
    account: str


class UrgentRefund(Refund, to="treasury"):
    by: str = "noon"


class Balance(Query[Receipt | None], to="bank"):
    account: str


class Positive(Record):
    amount: int

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError(f"expected an amount above 0, got {self.amount}")


def poor() -> InsufficientFunds:
    return InsufficientFunds(balance=Decimal(3))


def refuse() -> None:
    raise InsufficientFunds(balance=Decimal(9))


# ---------------------------------------------------------------- records


def test_a_record_is_immutable_data_with_named_fields() -> None:
    receipt = Receipt(balance=Decimal(1))
    assert receipt == Receipt(balance=Decimal("1.0"))
    assert receipt != Receipt(balance=Decimal(2))
    assert hash(receipt) == hash(Receipt(balance=Decimal(1)))
    assert bool(receipt)
    assert repr(receipt) == "Receipt(balance=Decimal('1'))"
    assert dataclasses.replace(receipt, balance=Decimal(2)) == Receipt(balance=Decimal(2))
    assert pickle.loads(pickle.dumps(receipt)) == receipt
    with pytest.raises(dataclasses.FrozenInstanceError):
        receipt.balance = Decimal(2)  # type: ignore[misc]  # what is refused
    with pytest.raises(TypeError):
        Receipt(Decimal(1))  # type: ignore[misc]
    assert list(inspect.signature(Receipt).parameters) == ["balance"]


def test_validation_runs_on_real_values() -> None:
    with pytest.raises(ValueError, match="expected an amount above 0, got 0"):
        Positive(amount=0)


def test_records_of_different_classes_are_never_equal() -> None:
    assert Refund(account="a") != UrgentRefund(account="a")
    assert Receipt(balance=Decimal(1)) != "receipt"


# ---------------------------------------------------------------- rejections: data, and exceptions


def test_a_rejection_passes_through_context_managers() -> None:
    @contextlib.contextmanager
    def transaction() -> Generator[None]:
        yield

    thrown = poor()
    with pytest.raises(InsufficientFunds) as caught, transaction():
        raise thrown
    assert caught.value is thrown
    assert thrown.__traceback__ is not None


def test_a_rejection_takes_notes_and_causes() -> None:
    thrown = poor()
    thrown.add_note("at night")
    assert thrown.__notes__ == ["at night"]
    cause = KeyError("x")
    with pytest.raises(InsufficientFunds) as caught:
        raise thrown from cause
    assert caught.value.__cause__ is cause


def test_a_rejection_is_copied_and_pickled_by_its_fields() -> None:
    closed = Closed(accounts=["a"])
    for back in (pickle.loads(pickle.dumps(closed)), copy.copy(closed), copy.deepcopy(closed)):
        assert back == closed
        assert back is not closed
    assert dataclasses.asdict(closed) == {"accounts": ["a"], "reason": "closed"}
    assert dataclasses.replace(poor(), balance=Decimal(4)).balance == 4


def test_a_rejection_is_hashed_with_a_list_in_it_and_compared_by_its_fields() -> None:
    assert hash(Closed(accounts=["a"])) == hash(Closed(accounts=["b"]))
    assert poor() == InsufficientFunds(balance=Decimal("3.0"))
    assert poor() != InsufficientFunds(balance=Decimal(4))
    assert bool(poor())


def test_a_rejection_prints_its_fields() -> None:
    assert str(poor()) == "balance=3"
    assert repr(poor()) == "InsufficientFunds(balance=Decimal('3'))"


def test_the_fields_of_a_rejection_cannot_be_changed() -> None:
    thrown = poor()
    with pytest.raises(dataclasses.FrozenInstanceError):
        thrown.balance = Decimal(1)  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del thrown.balance  # type: ignore[misc]
    thrown.__notes__ = ["an exception's own"]
    del thrown.__notes__
    assert thrown == poor()


@pytest.mark.slow
def test_a_rejection_comes_out_of_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(InsufficientFunds) as caught:
        pool.submit(refuse).result(timeout=60)
    assert caught.value.balance == 9


@pytest.mark.parametrize("name", ["args", "add_note", "with_traceback"])
def test_names_that_belong_to_exceptions_are_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"Odd: field '{name}' belongs to Python's exceptions"):
        type("Odd", (Rejection,), {"__annotations__": {name: str}})


# ---------------------------------------------------------------- who answers what


def test_a_command_says_who_answers_it_and_how() -> None:
    assert answers_of(Withdraw) == Answers("bank", Receipt, (InsufficientFunds, Closed))
    assert answers_of(Refund) == Answers("bank", None, ())
    assert answers_of(Balance) == Answers("bank", Receipt | None, ())
    assert answers_of(UrgentRefund) == Answers("treasury", None, ())


def test_full_names_begin_with_the_participant() -> None:
    assert full_name(Withdraw) == "bank.Withdraw"
    assert full_name(InsufficientFunds, "bank") == "bank.InsufficientFunds"
    assert is_message(Withdraw)
    assert not is_message(Receipt)
    assert not is_message(Withdraw(account="a"))


def test_what_says_not_how_it_is_answered_is_refused() -> None:
    bare = type("Bare", (Command,), {"__annotations__": {"x": str}}, to="bank")
    with pytest.raises(TypeError, match=r"Bare: expected its reply in brackets: write Command\[Reply\]"):
        answers_of(bare)
    with pytest.raises(TypeError, match="expected a Command or Query class, got .*Receipt"):
        answers_of(Receipt)


def test_digits_are_checked() -> None:
    for wrong in ((0, 0), (39, 2), (4, 5), (4, -1)):
        with pytest.raises(ValueError, match=r"expected Digits\(1 to 38"):
            Digits(wrong[0], scale=wrong[1])
