"""Planted mistakes with values that are frozen for the checkers alone; marked as in mistakes.py."""
from orchestrator.blueprint.frozen import frozen
from orchestrator.engine.events import StepUndone
from orchestrator.engine.state import Exchange
from orchestrator.wire.record import IncomingRecord

@frozen
class Point:
    x: int
    y: int = 0

@frozen(kw_only=True)
class Named:
    name: str

def right(points: dict[Point, Named]) -> int:
    points[Point(1, y=2)] = Named(name="a")
    match next(iter(points)):
        case Point(x, 0):
            return x
        case Point(y=y):
            return y

def wrong(point: Point, named: Named, event: StepUndone, exchange: Exchange, record: IncomingRecord) -> None:
    point.x = 1  # T
    named.name = "b"  # T
    event.step = "b"  # T
    exchange.attempt += 1  # T
    record.value = None  # T
    Point("1")  # T
    Named("a")  # T
