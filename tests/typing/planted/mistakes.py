"""Planted mistakes. `# T`: both checkers must report this line; `# P` / `# M`: pyright / mypy only; `# C text`: only the compiler
refuses it, with that text; a line may carry T and C. Read by tests/typing/test_checkers.py and test_refusals.py."""
import math
import os
import random
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from orchestrator import Command, Record, Saga, length, saga, text
from shop import (
    Applicant, AskBureau, AskUnderwriter, Channel, Deposit, FindFlight, InsufficientFunds, NotApproved, Order, Receipt,
    Refund, Release, Remind, Reserve, Score, ThinFile, Transfer, Withdraw, money_transfer,
)

# ================================================================== caught by both checkers

@saga
def t01_wrong_type_of_field(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.target), undo=None)  # T
@saga
def t02_positional_fields(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(t.source, t.amount), undo=None)  # T
@saga
def t03_typo_in_input(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.sauce, amount=t.amount), undo=None)  # T
@saga
def t04_typo_in_reply_in_undo(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount),
                  undo=lambda reply: Refund(account=t.source, amount=reply.amont), on_unknown="incident")  # T
@saga
def t05_wrong_return(s: Saga, t: Transfer) -> str:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None)  # T
@saga
def t06_undo_forgotten(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount))  # T
@saga
def t07_undo_is_a_query(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=FindFlight(reference=s.id))  # T
@saga
def t08_ensure_may_be_rejected(s: Saga, t: Transfer) -> Receipt:
    s.pivot("w", Withdraw(account=t.source, amount=t.amount))
    return s.ensure("d", Deposit(account=t.target, amount=t.amount))  # T
@saga
def t20_probe_answers_other_type(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None, probe=FindFlight(reference=s.id))  # T
@saga
def t21_enum_with_string(s: Saga, o: Order) -> None:
    s.require(o.channel == "web", otherwise=NotApproved(by=""))  # T
@saga
def t22_optional_as_value(s: Saga, o: Order) -> None:
    s.step("r", Remind(role=o.voucher, about=""), undo=None)  # T
@saga
def t23_decimal_with_float(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount * 1.1), undo=None)  # T
def t24_no_address() -> None:
    class NoAddress(Command[Receipt]):  # T
        account: str
    print(NoAddress)
def t25_not_a_rejection() -> None:
    class NotARejection(Command[Receipt, Transfer], to="bank"):  # T
        account: str
    print(NotARejection)
@saga
def t26_assignment(s: Saga, t: Transfer) -> None:
    t.amount = Decimal(3)  # T
@saga
def t27_saga_called(s: Saga, t: Transfer) -> Receipt:
    return money_transfer(s, t)  # T
@saga
def t28_field_missing(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source), undo=None)  # T
@saga
def t29_field_unknown(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount, ref="x"), undo=None)  # T
@saga
def t30_bare_number_as_time(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None, timeout=5)  # T
@saga
def t31_on_unknown_misspelt(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None, on_unknown="ask")  # T
@saga
def t32_label_with_list(s: Saga, o: Order) -> None:
    s.label(lines=o.lines)  # T
@saga
def t33_query_as_step(s: Saga, a: Applicant) -> Score:
    return s.step("q", AskUnderwriter(name=a.name, reason=""), undo=None)  # T
@saga
def t34_command_as_query(s: Saga, t: Transfer) -> Receipt:
    return s.query("q", Deposit(account=t.target, amount=t.amount))  # T
@saga
def t35_reply_class_instead_of_command(s: Saga, t: Transfer) -> Receipt:
    return s.pivot("q", Receipt(balance=t.amount))  # T
@saga
def t36_fail_with_record(s: Saga, t: Transfer) -> None:
    s.fail(Receipt(balance=t.amount))  # T
@saga
def t37_length_of_number(s: Saga, t: Transfer) -> None:
    s.require(length(t.amount) > 3, otherwise=NotApproved(by=""))  # T
@saga
def t41_undo_of_wrong_kind(s: Saga, t: Transfer) -> Receipt:
    return s.step("w", Withdraw(account=t.source, amount=t.amount), undo=lambda: Refund(account=t.source, amount=t.amount))  # T
# ================================================================== caught by one checker

@saga
def p01_name_not_literal(s: Saga, t: Transfer) -> Receipt:
    return s.step(t.source, Withdraw(account=t.source, amount=t.amount), undo=None)  # P C a step's name is its identity
@saga
def p02_template_not_literal(s: Saga, t: Transfer) -> str:
    return text(t.source, t.amount)  # P C text() takes a literal template

# ================================================================== caught by the compiler only

@saga
def c01_if(s: Saga, t: Transfer) -> None:
    if t.amount > 1000:  # C `if` is decided while compiling
        s.step("r", Remind(role="x", about=""), undo=None)
@saga
def c02_ternary(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role="big" if t.amount > 1000 else "small", about=""), undo=None)  # C `… if … else …` is decided
@saga
def c03_and(s: Saga, t: Transfer) -> None:
    s.require(t.amount > 3 and t.amount < 9, otherwise=NotApproved(by=""))  # C `and` is decided
@saga
def c04_or_as_default(s: Saga, o: Order) -> None:
    s.step("r", Remind(role=o.voucher or "none", about=""), undo=None)  # C `or` is decided
@saga
def c05_not(s: Saga, o: Order) -> None:
    s.require(not o.is_large, otherwise=NotApproved(by=""))  # C `not` is decided
@saga
def c06_while(s: Saga, o: Order) -> None:
    while o.total > 3:  # C `while` is decided
        s.step("r", Remind(role="x", about=""), undo=None)
@saga
def c07_is_none(s: Saga, o: Order) -> None:
    s.require(o.voucher is not None, otherwise=NotApproved(by=""))  # C `o.voucher is not None` is decided
@saga
def c08_f_string(s: Saga, o: Order) -> None:
    s.step("r", Remind(role="x", about=f"order {o.number}"), undo=None)  # C `o.number` inside an f-string
@saga
def c09_str(s: Saga, o: Order) -> None:
    s.step("r", Remind(role="x", about=str(o.total)), undo=None)  # C str(o.total) is not known
@saga
def c10_percent(s: Saga, o: Order) -> None:
    s.step("r", Remind(role="x", about="order %s" % o.number), undo=None)  # C str(o.number) is not known
@saga
def c11_join(s: Saga, o: Order) -> None:
    s.step("r", Remind(role="x", about="-".join(["a", o.number])), undo=None)  # C Python could not do this
@saga
def c12_for(s: Saga, o: Order) -> None:
    for line in o.lines:  # C iterating `o.lines`
        s.step("r", Remind(role=line.sku, about=""), undo=None)
@saga
def c13_len(s: Saga, o: Order) -> None:
    s.require(len(o.lines) > 3, otherwise=NotApproved(by=""))  # C len(o.lines) is not known
@saga
def c14_in(s: Saga, o: Order) -> None:
    s.require(o.channel in (Channel.WEB, Channel.STORE), otherwise=NotApproved(by=""))  # C `in` is decided
@saga
def c15_chained_comparison(s: Saga, o: Order) -> None:
    s.require(3 < o.total < 9, otherwise=NotApproved(by=""))  # C `a < b < c` is decided
@saga
def c16_try(s: Saga, t: Transfer) -> None:
    try:  # C `try`: a rejected step raises nothing
        s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None)
    except InsufficientFunds:
        s.step("r", Remind(role="x", about=""), undo=None)
@saga
def c17_guard_swallowed(s: Saga, t: Transfer) -> None:
    try:  # C `try`
        if t.amount > 3:  # C `if`
            s.step("r", Remind(role="x", about=""), undo=None)
    except Exception:
        pass
@saga
def c18_raise(s: Saga, t: Transfer) -> None:
    raise NotApproved(by=t.source)  # C `raise` happens while compiling
@saga
def c19_dict_key(s: Saga, o: Order) -> None:
    s.step("r", Remind(role={Channel.WEB: "a", Channel.STORE: "b"}[o.channel], about=""), undo=None)  # C `o.channel` as a dict key
@saga
def c20_int(s: Saga, o: Order) -> None:
    s.require(int(o.total) > 3, otherwise=NotApproved(by=""))  # C `o.total` is not known until
def size(o: Order) -> str:
    return "big" if o.total > 100 else "small"  # C `… if … else …` is decided
@saga
def c21_if_in_helper(s: Saga, o: Order) -> None:
    s.step("r", Remind(role=size(o), about=""), undo=None)
def or_none(voucher: str | None) -> str:
    return "none" if voucher is None else voucher  # C `voucher is None` is decided
@saga
def c22_is_in_helper(s: Saga, o: Order) -> None:
    s.step("r", Remind(role=or_none(o.voucher), about=""), undo=None)
class Basket(Record):
    total: Decimal
    def label(self) -> str:
        return "big" if self.total > 3 else "small"  # C `… if … else …` is decided
@saga
def c23_if_in_method(s: Saga, b: Basket) -> None:
    s.step("r", Remind(role=b.label(), about=""), undo=None)
@saga
def c25_name_twice(s: Saga, t: Transfer) -> None:
    s.step("w", Withdraw(account=t.source, amount=t.amount), undo=None)
    s.step("w", Withdraw(account=t.target, amount=t.amount), undo=None)  # C "w" is named twice
@saga
def c26_undo_after_pivot(s: Saga, t: Transfer) -> None:
    s.pivot("d", Deposit(account=t.target, amount=t.amount))
    s.step("r", Remind(role="x", about=""), undo=None)  # C "r" comes after the pivot
@saga
def c27_ensure_before_pivot(s: Saga, t: Transfer) -> None:
    s.ensure("r", Remind(role="x", about=""))  # C "r": s.ensure is for after the pivot
@saga
def c28_two_pivots(s: Saga, t: Transfer) -> None:
    s.pivot("a", Deposit(account=t.target, amount=t.amount))
    s.pivot("b", Deposit(account=t.target, amount=t.amount))  # C "b": there is a pivot before
@saga
def c30_undo_from_reply_alone(s: Saga, t: Transfer) -> None:
    s.step("d", Deposit(account=t.target, amount=t.amount), undo=lambda reply: Refund(account=t.target, amount=reply.balance))  # C "d": if its reply never comes
@saga
def c31_now(s: Saga, t: Transfer) -> None:
    s.label(until=datetime.now() + timedelta(days=1))  # C the clock is read
@saga
def c32_today(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role="x", about=date.today().isoformat()), undo=None)  # C the clock is read
@saga
def c33_uuid(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role="x", about=str(uuid4())), undo=None)  # C randomness is read
@saga
def c34_random(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role="x", about=""), undo=None, timeout=timedelta(seconds=random.random()))  # C randomness is read
@saga
def c35_environment(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role=os.environ["HOME"], about=""), undo=None)  # C the environment is read
class Tagged(Command[None], to="mail"):
    id: UUID = field(default_factory=uuid4)
@saga
def c36_random_default(s: Saga, t: Transfer) -> None:
    s.step("r", Tagged(), undo=None)  # C randomness is read
@saga
def c37_string_method(s: Saga, t: Transfer) -> None:
    s.step("r", Remind(role=t.source.upper(), about=""), undo=None)  # C `t.source.upper` needs the value
@saga
def c38_isinstance(s: Saga, a: Applicant) -> None:
    outcome = s.query("q", AskBureau(name=a.name))
    if isinstance(outcome, ThinFile):  # C isinstance() of
        s.fail(NotApproved(by=outcome.reason))
@saga
def c39_match_statement(s: Saga, a: Applicant) -> None:
    match s.query("q", AskBureau(name=a.name)):  # C `match` is decided
        case ThinFile():
            pass
        case _:
            pass
@saga
def c40_max(s: Saga, o: Order) -> None:
    s.step("d", Deposit(account="a", amount=max(o.total, Decimal(3))), undo=None)  # C this (max, min, bool
@saga
def c41_sum(s: Saga, o: Order) -> None:
    s.step("d", Deposit(account="a", amount=sum((line.price for line in o.lines), Decimal(0))), undo=None)  # C iterating `o.lines`
@saga
def c42_ampersand(s: Saga, o: Order) -> None:
    s.require((o.total > 3) & (o.total < 9), otherwise=NotApproved(by=""))  # C `&` on conditions
@saga
def c47_replace(s: Saga, t: Transfer) -> None:
    replace(t, amount=Decimal(3))  # C Python could not do this
@saga
def c48_print(s: Saga, t: Transfer) -> None:
    print(t.source)  # C str(t.source) is not known
@saga
def c49_lambda_in_loop(s: Saga, o: Order) -> None:
    for role in ("clerk", "manager"):
        s.step("remind", Remind(role=role, about=""), undo=None)  # C "remind" is named twice
@saga
def c50_nonlocal(s: Saga, t: Transfer) -> None:
    receipt: Receipt | None = None
    def deposit() -> None:
        nonlocal receipt  # C `nonlocal` carries a value
        receipt = s.step("d", Deposit(account=t.target, amount=t.amount), undo=None)
    deposit()
@saga
def c51_bool(s: Saga, t: Transfer) -> None:
    a = s.step("d", Deposit(account=t.target, amount=t.amount), undo=None)
    s.step("f", Refund(account="x", amount=a.balance), undo=None)
    s.require(bool(a.balance), otherwise=NotApproved(by=""))  # C this (max, min, bool
@saga
def c52_math(s: Saga, o: Order) -> None:
    s.require(math.floor(o.total) > 3, otherwise=NotApproved(by=""))  # C `o.total` is not known until
@saga
def c53_undo_elsewhere(s: Saga, o: Order) -> None:
    s.step("r", Reserve(order=o.number, lines=o.lines), undo=Remind(role="x", about=""))  # C "r": Reserve goes to 'stock', its undo Remind to 'mail'
@saga
def c54_undo_other_key(s: Saga, o: Order) -> None:
    s.step("r", Reserve(order=o.number, lines=o.lines), undo=Release(order=o.customer))  # C "r": Reserve has the key o.number
