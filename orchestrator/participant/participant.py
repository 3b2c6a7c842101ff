"""A participant: a name, handlers, and the few ways to run it."""

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, overload

import structlog

from orchestrator import settings as environment
from orchestrator import telemetry
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.errors import ConfigError, HandlerRefused, OrchestratorError
from orchestrator.exit_code import ExitCode, exit_code
from orchestrator.participant.answering import Answering
from orchestrator.participant.context import Connection
from orchestrator.participant.deployed import warn_of_unhandled
from orchestrator.participant.event_loop import EventLoop
from orchestrator.participant.exchange import Exchange
from orchestrator.participant.handler_exchange import HandlerExchange, exchange_of
from orchestrator.participant.handlers import Handles, checked
from orchestrator.participant.inbox import Inbox
from orchestrator.participant.runner import Runner
from orchestrator.participant.schemas import Schemas
from orchestrator.participant.worker import WorkerPool
from orchestrator.settings import Settings
from orchestrator.telemetry import logger
from orchestrator.tuning import tuned
from orchestrator.wire.topics import Topics

WORKERS: Final = 4
"""Threads that call handlers: as many commands of different keys are answered side by side. Async handlers run beside
each other on one event loop, as many as there are commands in work."""

Unreadable: TypeAlias = Literal["answer", "park"]
T = TypeVar("T")

_log = logger("participant")


class Participant(Generic[Connection]):
    """A service that answers the commands sent ``to=`` its name.

    With an inbox its effects are exactly once: handler, effect and first answer commit together, a duplicate gets the
    first answer, a do that comes after its undo is refused. Without one, replies still count once, and a handler may be
    called again: it must be idempotent on ``context.command_id`` and take an undo before its do.

    What it cannot read (no command, a body of no known schema, a type that no handler is for) never blocks a partition.
    ``unreadable="answer"``: a command is answered *failed*, for good; what nobody waits for is logged and passed over.
    ``unreadable="park"``: it is put away whole in the topic ``{name}.parked``, with the reason, and is not answered:
    its attempt times out, and the next one meets perhaps a participant that can read it.
    """

    @overload
    def __init__(self: "Participant[None]", name: str, *, inbox: None = None, unreadable: Unreadable = ...) -> None: ...
    @overload
    def __init__(self, name: str, *, inbox: Inbox[Connection], unreadable: Unreadable = ...) -> None: ...
    def __init__(self, name: str, *, inbox: Inbox[Any] | None = None, unreadable: Unreadable = "answer") -> None:
        if unreadable not in ("answer", "park"):
            raise ValueError(f"expected unreadable='answer' or 'park', got {unreadable!r}, in the participant {name!r}")
        self.name = name
        self._parks = unreadable == "park"
        self._topic = Topics.commands(name)
        self._inbox = inbox
        self._exchanges: dict[str, Exchange | HandlerExchange] = {}
        self._runner: Runner | None = None

    def handles(self, kind: type[T]) -> Handles[T, Connection]:
        """A decorator: the function answers commands of ``kind``. Raises ``HandlerRefused`` for what does not fit."""

        def register(function: Callable[..., object]) -> None:
            exchange = exchange_of(checked(self.name, kind, function, inbox=self._inbox is not None))
            if exchange.command_type in self._exchanges:
                raise HandlerRefused(f"@{self.name}.handles({kind.__name__}): it has a handler already, one is enough")
            self._exchanges[exchange.command_type] = exchange

        return Handles(register)

    def answers(self, exchange: Exchange) -> None:
        """For connectors: ``exchange`` answers the commands of its type, which needs no class here."""
        self._exchanges[exchange.command_type] = exchange

    def run(self, settings: Settings | None = None, *, workers: int = WORKERS) -> None:
        """Answer commands until SIGTERM or SIGINT, then finish what is taken; for the main thread of a program.

        ``settings`` are those of the environment if they are left out. Ends the program with a line that says why, and
        status 5 when the servers are away or deny access, 2 for settings that cannot be, else 1. Unless the program
        configured structlog itself, it logs to stderr: readable lines on a terminal, else JSON. While it answers, the
        garbage collector's first threshold and the threads' switch interval are set for the whole process; at the end
        they are as before.
        """
        if not structlog.is_configured():  # its default prints the locals of each frame, and with them what a card is
            telemetry.configure()
        try:
            runner = self._started(settings, workers)
        except OrchestratorError as error:
            sys.exit(_said(error))
        asked: list[str] = []

        def stop(number: int, _: FrameType | None) -> None:
            asked.append(signal.Signals(number).name)
            runner.ended.set()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        _log.info("the participant answers", participant=self.name, topic=self._topic)
        try:
            with tuned():
                runner.ended.wait()
            _log.info("the participant stops", participant=self.name, why=asked)
            self.stop()
        except OrchestratorError as error:
            sys.exit(_said(error))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, settings: Settings | None = None, *, workers: int = WORKERS) -> None:
        """Answer commands in threads of its own until ``stop``.

        Raises ``Unavailable`` when a server is out of reach, ``TopicMismatch`` without the topic of its commands,
        ``ConfigError`` for settings that cannot be, and without any handler.
        """
        self._started(settings, workers)

    def stop(self) -> None:
        """Finish what is taken, within 20 s, and stop; does nothing if it does not run. Raises what ended it before."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        runner.stop()
        if runner.failure is not None:
            raise runner.failure

    @contextmanager
    def running(self, settings: Settings | None = None, *, workers: int = WORKERS) -> Generator[None]:
        """``start`` and ``stop`` around a block."""
        self.start(settings, workers=workers)
        try:
            yield
        finally:
            self.stop()

    def _started(self, settings: Settings | None, workers: int) -> Runner:
        if self._runner is not None:
            raise RuntimeError(f"the participant {self.name} runs already")
        if workers < 1:
            raise ValueError(f"expected at least 1 worker, got {workers}")
        chosen = settings or environment.load()
        if not self._exchanges:
            raise ConfigError(
                f"expected a handler in the participant {self.name}, got none: write a function under "
                f"@….handles(…) for each command that is sent to {self.name}, before it runs"
            )
        schemas = Schemas(partial(_broker, chosen), chosen.namespace)
        answering = Answering(self.name, self._exchanges.values(), schemas, parks=self._parks)
        schemas.own(answering.codecs())
        runner = Runner(
            self.name, self._topic, chosen, WorkerPool(answering, self._inbox, workers, EventLoop(self.name))
        )
        broker = KafkaBroker.of(chosen)
        try:
            runner.start(broker)
            self._runner = runner
            warn_of_unhandled(broker, Topics(chosen.namespace), self.name, self._exchanges)
        finally:
            broker.close()
        return runner


def _broker(settings: Settings, topics: Topics) -> KafkaBroker:
    return KafkaBroker.of(replace(settings, namespace=topics.namespace))


def _said(error: OrchestratorError) -> ExitCode:
    sys.stderr.write(f"{error}\n")
    return exit_code(error)
