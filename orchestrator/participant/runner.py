"""The threads of a running participant: one takes commands and lives through errors, the others answer."""

import threading
import time
from typing import Final

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import MESSAGE_BYTES
from orchestrator.errors import ConfigError, OrchestratorError, TopicMismatch
from orchestrator.participant.intake import Intake
from orchestrator.participant.worker import WorkerPool
from orchestrator.settings import Settings
from orchestrator.telemetry import logger
from orchestrator.wire.parking import parked_topic

BACKOFF_FIRST_S: Final = 0.2
BACKOFF_MAX_S: Final = 5.0
HEALTHY_S: Final = 30.0
"""After so long without an error the next one is the first again."""

_log = logger("participant")


class Runner:
    """Answers commands from ``start`` to ``stop``, through restarts of the servers."""

    def __init__(self, name: str, topic: str, settings: Settings, pool: WorkerPool) -> None:
        self.failure: BaseException | None = None
        """What ended it without ``stop``."""
        self.ended = threading.Event()
        self.intake: Intake | None = None
        """The one that lives now."""
        self._name = name
        self._topic = topic
        self._settings = settings
        self._pool = pool
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-intake", daemon=True)

    def start(self, broker: KafkaBroker) -> None:
        """Check that the servers are there and begin. Raises ``Unavailable``, ``TopicMismatch``, ``ConfigError``."""
        broker.check_reachable()
        if not broker.topics([self._topic]):
            raise TopicMismatch(
                f"expected the topic {self._topic}, found none on {self._settings.kafka}: "
                f"deploy a saga that sends to {self._name} first (saga deploy FILE --create-topics), or create it"
            )
        if self._pool.answering.parks and not broker.topics([parked_topic(self._name)]):
            raise TopicMismatch(
                f"expected the topic {parked_topic(self._name)} for what {self._name} cannot read, found none on "
                f"{self._settings.kafka}: saga deploy FILE --create-topics makes it, or create it with one partition "
                f"and max.message.bytes={2 * MESSAGE_BYTES}, or leave out unreadable='park'"
            )
        if self._pool.inbox is not None:
            self._pool.inbox.prepare()
        self._pool.loop.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish what is taken, within bounds, and leave. Twice is fine."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._live()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the end
            _log.critical("the participant ends", participant=self._name, why=str(error))
            self.failure = error
        finally:
            self._pool.loop.close()
            self.ended.set()

    def _live(self) -> None:
        pause_s = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._one_life()
            except ConfigError:
                raise
            except OrchestratorError as error:
                if time.monotonic() - begun > HEALTHY_S:
                    pause_s = BACKOFF_FIRST_S
                _log.warning("the consumer is made anew", participant=self._name, why=str(error), after_s=pause_s)
                self._stopping.wait(pause_s)
                pause_s = min(2 * pause_s, BACKOFF_MAX_S)

    def _one_life(self) -> None:
        intake = Intake(self._name, self._topic, self._settings, self._pool)
        self.intake = intake
        intake.start()
        try:
            while not self._stopping.is_set():
                intake.step()
        finally:
            self.intake = None
            intake.close()
