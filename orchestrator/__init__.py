"""Event-sourced sagas on Kafka and Postgres: the public names, nothing else."""

from orchestrator.client.client import Client
from orchestrator.client.handle import Handle
from orchestrator.definition import (
    AnyCommand,
    AnySaga,
    Command,
    Digits,
    Key,
    Query,
    Record,
    Rejection,
    RetryPolicy,
    Saga,
    SagaDefinition,
    all_of,
    any_of,
    days,
    default,
    hours,
    length,
    minutes,
    not_,
    one_of,
    present,
    saga,
    seconds,
    text,
)
from orchestrator.errors import (
    Compensated,
    Conflict,
    DefinitionError,
    OrchestratorError,
    OutcomeTimeout,
    RequestRefused,
    Unavailable,
    UnknownDefinition,
)
from orchestrator.participant.context import Context, RetryLater
from orchestrator.participant.handlers import Handles
from orchestrator.participant.participant import Participant
from orchestrator.participant.postgres import PostgresInbox
from orchestrator.settings import Settings

__version__ = "0.1.0"

__all__ = [
    "AnyCommand",
    "AnySaga",
    "Client",
    "Command",
    "Compensated",
    "Conflict",
    "Context",
    "DefinitionError",
    "Digits",
    "Handle",
    "Handles",
    "Key",
    "OrchestratorError",
    "OutcomeTimeout",
    "Participant",
    "PostgresInbox",
    "Query",
    "Record",
    "Rejection",
    "RequestRefused",
    "RetryLater",
    "RetryPolicy",
    "Saga",
    "SagaDefinition",
    "Settings",
    "Unavailable",
    "UnknownDefinition",
    "all_of",
    "any_of",
    "days",
    "default",
    "hours",
    "length",
    "minutes",
    "not_",
    "one_of",
    "present",
    "saga",
    "seconds",
    "text",
]
