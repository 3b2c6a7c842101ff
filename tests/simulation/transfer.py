"""What the simulated clients ask for: a transfer whose withdrawal may become unknown, and be undone before it comes."""

from examples.money_transfer.saga import Deposit, Receipt, Refund, Transfer, Withdraw
from orchestrator import RetryPolicy, Saga, saga, seconds

AMOUNT = 5


@saga(timeout=seconds(10), retry=RetryPolicy(maximum_attempts=2))
def transfer(s: Saga, asked: Transfer) -> Receipt:
    """Withdraw twice at most; what was not answered is taken for done."""
    s.step(
        "withdraw",
        Withdraw(account=asked.source, amount=asked.amount),
        undo=Refund(account=asked.source, amount=asked.amount),
    )
    return s.pivot("deposit", Deposit(account=asked.target, amount=asked.amount), retry=RetryPolicy())
