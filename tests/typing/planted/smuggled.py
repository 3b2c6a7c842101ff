"""Attempts to get a compile-time constant into the blueprint silently; each must be refused."""
import contextlib, copy, functools, json, logging, operator
from decimal import Decimal
from typing import Any
from orchestrator import Saga, saga
from shop import Order, Remind
def say(s: Saga, about: Any) -> None: s.step("r", Remind(role="x", about=about), undo=None)
@saga
def repr_(s: Saga, o: Order) -> None: say(s, repr(o.number))
@saga
def fstring_r(s: Saga, o: Order) -> None: say(s, f"{o.number!r}")
@saga
def repr_of_message(s: Saga, o: Order) -> None: say(s, str(Remind(role=o.number, about="")))
@saga
def identity_in(s: Saga, o: Order) -> None:
    n = o.number
    say(s, "yes" if n in (n, "b") else "no")
@saga
def type_equals(s: Saga, o: Order) -> None: say(s, "a" if type(o.number) == str else "b")
@saga
def operator_is(s: Saga, o: Order) -> None: say(s, "a" if operator.is_(o.voucher, None) else "b")
@saga
def id_(s: Saga, o: Order) -> None: say(s, str(id(o.number)))
@saga
def bare_except(s: Saga, o: Order) -> None:
    with contextlib.suppress(BaseException):
        if o.total > 3: say(s, "x")
@saga
def logging_(s: Saga, o: Order) -> None: logging.warning("%s", o.number)
@saga
def lru(s: Saga, o: Order) -> None: say(s, functools.lru_cache(lambda x: x)(o.number))
@saga
def jsond(s: Saga, o: Order) -> None: say(s, json.dumps(o.number, default=str))
@saga
def eq_messages(s: Saga, o: Order) -> None:
    a = Remind(role=o.number, about=""); b = Remind(role=a.role, about="")
    say(s, "same" if a == b else "other")
@saga
def hasattr_(s: Saga, o: Order) -> None: say(s, "a" if hasattr(o, "nmber") else "b")
@saga
def star(s: Saga, o: Order) -> None: say(s, [*o.lines])
@saga
def unpack(s: Saga, o: Order) -> None:
    a, b = o.lines
    say(s, a.sku)
@saga
def list_index(s: Saga, o: Order) -> None: say(s, ["a", "b"].index(o.number))
@saga
def deepcopy(s: Saga, o: Order) -> None: say(s, copy.deepcopy(o.number))
@saga
def default_arg_helper(s: Saga, o: Order) -> None:
    def h(x: Any = o.voucher) -> str: return "n" if x is None else "y"
    say(s, h())
class Box:
    def __init__(self, o: Order) -> None: self.o = o
    def kind(self) -> str: return "n" if self.o.voucher is None else "y"
@saga
def is_behind_object(s: Saga, o: Order) -> None: say(s, Box(o).kind())
@saga
def is_behind_closure(s: Saga, o: Order) -> None:
    def h() -> str: return "n" if o.voucher is None else "y"
    say(s, h())
STATE: dict[str, Any] = {}
def via_global() -> str: return "n" if STATE["o"].voucher is None else "y"
@saga
def is_behind_global(s: Saga, o: Order) -> None:
    STATE["o"] = o
    say(s, via_global())
@saga
def comprehension_is(s: Saga, o: Order) -> None: say(s, str([x is None for x in (o.voucher,)]))
@saga
def truthy_message(s: Saga, o: Order) -> None:
    m = Remind(role=o.number, about="")
    if m: say(s, "always")
