from decimal import Decimal
from orchestrator import Saga, saga
from shop import Deposit, NotApproved, Remind, Transfer, Withdraw
def label(t: Transfer) -> str:
    return "big" if t.amount > 100 else "small"
@saga
def careless(s: Saga, t: Transfer) -> None:
    s.step("pay", Deposit(account=t.target, amount=t.amount), undo=None)
    s.step("pay", Deposit(account=t.target, amount=t.amount), undo=None)
    s.pivot("done", Deposit(account=t.target, amount=t.amount))
    s.step("mail", Remind(role="x", about="y"), undo=None)
    if t.source is None:
        raise NotApproved(by="x")
    s.ensure("label", Remind(role=label(t), about="y"))
