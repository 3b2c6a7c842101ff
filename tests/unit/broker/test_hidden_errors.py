"""What the binding hides behind a ``SystemError`` when librdkafka's log lines come while an error is raised."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.broker.client import behind, heard

FATAL = KafkaException(KafkaError(KafkaError._FENCED, "fenced", fatal=True))


def hidden(times: int) -> SystemError:
    """As CPython makes it: each call that returns with an exception set adds one."""
    error: BaseException = FATAL
    for _ in range(times):
        outer = SystemError("<function Logger.debug> returned a result with an exception set")
        outer.__cause__ = error
        error = outer
    assert isinstance(error, SystemError)
    return error


@pytest.mark.parametrize("times", [1, 3])
def test_the_fatal_error_behind_a_system_error_is_found(times: int) -> None:
    assert behind(hidden(times)) is FATAL


def test_another_system_error_hides_nothing() -> None:
    assert behind(SystemError("a defect")) is None


class Client:
    def poll(self, _timeout: float, /) -> int:
        raise hidden(2)


def test_a_hidden_fatal_error_tells_more_than_the_one_that_was_raised() -> None:
    assert heard(Client(), KafkaException(KafkaError(KafkaError._FATAL))).code() == KafkaError._FENCED
