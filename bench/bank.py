"""A bank without inbox and without accounts: it answers at once, so that what is measured is the orchestrator.

``python -m bench.bank``. Accounts whose names begin with ``closed`` do not exist.
"""

from decimal import Decimal
from typing import Final

from examples.money_transfer.saga import AccountNotFound, Deposit, Receipt, Refund, Withdraw
from orchestrator import Context, Participant

CLOSED: Final = "closed"
_RECEIPT: Final = Receipt(balance=Decimal("100.00"))

bank = Participant("bank")


@bank.handles(Withdraw)
def withdraw(command: Withdraw, context: Context[None]) -> Receipt:  # noqa: ARG001 - any amount is there
    """Any account has any amount."""
    return _RECEIPT


@bank.handles(Refund)
def refund(command: Refund, context: Context[None]) -> Receipt:  # noqa: ARG001
    """Nothing to do twice."""
    return _RECEIPT


@bank.handles(Deposit)
def deposit(command: Deposit, context: Context[None]) -> Receipt:  # noqa: ARG001
    """Closed accounts take nothing."""
    if command.account.startswith(CLOSED):
        raise AccountNotFound(account=command.account)
    return _RECEIPT


if __name__ == "__main__":
    bank.run()
