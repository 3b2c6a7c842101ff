"""What an author writes: messages, the decorator and the scope of a saga, traced values; and its compiler."""

from orchestrator.definition.decorator import AnySaga, SagaDefinition, saga
from orchestrator.definition.functions import all_of, any_of, default, length, not_, one_of, present, text
from orchestrator.definition.markers import Digits, Key
from orchestrator.definition.messages import AnyCommand, Command, Query, Record, Rejection
from orchestrator.definition.policies import RetryPolicy, days, hours, minutes, seconds
from orchestrator.definition.scope import Saga

__all__ = [
    "AnyCommand",
    "AnySaga",
    "Command",
    "Digits",
    "Key",
    "Query",
    "Record",
    "Rejection",
    "RetryPolicy",
    "Saga",
    "SagaDefinition",
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
