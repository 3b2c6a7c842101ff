"""The order of a set decides the order of the steps: only compiling with two hash seeds can tell."""
from orchestrator import Saga, saga
from shop import Order, Remind


@saga
def set_order(s: Saga, o: Order) -> None:
    for n in {"alpha", "beta", "gamma"}:
        s.step(n, Remind(role=n, about=""), undo=None)  # type: ignore
