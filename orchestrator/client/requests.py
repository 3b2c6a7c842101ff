"""What a client asks of a namespace, in the words of its callers.

Waits for Kafka alone; answers and outcomes are waited for by whoever holds the ``Handle``.
"""

import threading
import uuid
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from orchestrator import settings as environment
from orchestrator.blueprint.ids import fault_of_saga_id, keyed_saga_id
from orchestrator.blueprint.model import Json
from orchestrator.client.connection import Connection
from orchestrator.client.contract import Contract, PlainReader, UntypedContract
from orchestrator.client.handle import Handle
from orchestrator.definition.decorator import SagaDefinition
from orchestrator.errors import UnknownDefinition
from orchestrator.settings import Settings
from orchestrator.wire.request import CancelSaga, Request, RetrySaga, StartSaga
from orchestrator.wire.topics import Topics

Input = TypeVar("Input")
Output = TypeVar("Output")


class Requests:
    """One connection to a namespace; connects with its first use. Any thread may use it.

    Everything that it is asked may raise ``Unavailable`` when Kafka is out of reach, and ``TopicMismatch`` when the
    namespace's topics are not there, and ``RuntimeError`` after ``close``.
    """

    def __init__(self, settings: Settings | None) -> None:
        self.settings = settings or environment.load()
        self._topics = Topics(self.settings.namespace)
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._contracts: WeakKeyDictionary[SagaDefinition[Any, Any], Contract[Any, Any]] = WeakKeyDictionary()

    def close(self) -> None:
        """Wait until what was sent is stored, and stop listening; whoever still waits is told. Twice is fine."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # ------------------------------------------------------------ starting

    def submit(
        self,
        definition: SagaDefinition[Input, Output],
        input: Input,  # noqa: A002 - what everybody calls it
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
        hurry: bool = False,
    ) -> Handle[Output]:
        """Send the start of a saga; ``hurry``: somebody waits for its answer."""
        contract = self._contract(definition)
        connection = self._connected()
        connection.publish(contract.input_codec)
        request_id = str(uuid.uuid4())
        saga_id = self._id(contract.name, id, key) or request_id
        request = StartSaga(request_id=request_id, saga_id=saga_id, saga=contract.name, input=contract.input(input))
        handle = Handle(connection.send(request), request_id, contract, connection.look_back)
        if hurry:
            connection.hurry()
        return handle

    def submit_named(
        self,
        name: str,
        input_json: str,
        *,
        id: str | None = None,  # noqa: A002
        key: str | None = None,
    ) -> Handle[Json]:
        """As ``submit`` in a hurry, for a deployed saga's name and an input in JSON.

        Raises ``MessageRejected`` for an input that the saga's schema does not allow, and ``UnknownDefinition``.
        """
        connection = self._connected()
        connection.definitions.refresh()
        blueprint = connection.definitions.active(name)
        if blueprint is None:
            known = ", ".join(each.name for each in connection.definitions.all_active()) or "none at all"
            raise UnknownDefinition(
                f"expected a saga named {name!r} in namespace {self.settings.namespace}, "
                f"got {known}: deploy it first (saga deploy FILE)"
            )
        contract = UntypedContract(blueprint, connection.schemas.find)
        request_id = str(uuid.uuid4())
        saga_id = self._id(name, id, key) or request_id
        body = contract.input(input_json)
        request = StartSaga(request_id=request_id, saga_id=saga_id, saga=name, input=body)
        reader = PlainReader(connection.schemas.find)
        handle = Handle(connection.send(request), request_id, reader, connection.look_back)
        connection.hurry()
        return handle

    # ------------------------------------------------------------ sagas that run

    def handle(self, definition: SagaDefinition[Input, Output], id: str) -> Handle[Output]:  # noqa: A002
        """The handle of a saga that was started before, by anybody; it is not checked here that it was."""
        connection = self._connected()
        return Handle(connection.watches.of(id), None, self._contract(definition), connection.look_back)

    def handle_named(self, id: str) -> Handle[Json]:  # noqa: A002
        """As ``handle``, with its outcome as data of JSON."""
        connection = self._connected()
        return Handle(connection.watches.of(id), None, PlainReader(connection.schemas.find), connection.look_back)

    def cancel(self, id: str) -> Handle[Json]:  # noqa: A002
        """Ask that a saga be undone; the handle knows the answer to this."""
        return self._ask(CancelSaga(request_id=str(uuid.uuid4()), saga_id=id))

    def retry(self, id: str) -> Handle[Json]:  # noqa: A002
        """Ask that what waits in a saga be tried again now; the handle knows the answer to this."""
        return self._ask(RetrySaga(request_id=str(uuid.uuid4()), saga_id=id))

    # ------------------------------------------------------------ within

    def _ask(self, request: Request) -> Handle[Json]:
        connection = self._connected()
        reader = PlainReader(connection.schemas.find)
        handle = Handle(connection.send(request), request.request_id, reader, connection.look_back)
        connection.hurry()
        return handle

    def _id(self, saga: str, id: str | None, key: str | None) -> str | None:  # noqa: A002
        """The id that the caller asks for; None: a new one, and that of the request is as new as any."""
        if id is not None and key is not None:
            raise ValueError("expected id= or key=, got both: a key makes the id")
        if key is not None:
            return keyed_saga_id(self.settings.namespace, saga, key)
        if id is None:
            return None
        fault = fault_of_saga_id(id)
        if fault is not None:
            raise ValueError(f"saga id {id!r}: {fault}")
        return id

    def _contract(self, definition: SagaDefinition[Input, Output]) -> Contract[Input, Output]:
        if not isinstance(definition, SagaDefinition):  # pyright: ignore[reportUnnecessaryIsInstance]  # not all check
            raise TypeError(
                f"expected a function with @saga, got {definition!r}: for a saga's name there is start_named"
            )
        contract = self._contracts.get(definition)
        if contract is None:
            contract = self._contracts[definition] = Contract(definition, self._schema)
        return contract

    def _schema(self, schema_id: str) -> Json | None:
        return self._connected().schemas.find(schema_id)

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None:
            return connection
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed: make another one, and keep it open while it is used")
            if self._connection is None:
                self._connection = Connection(self.settings, self._topics)
            return self._connection
