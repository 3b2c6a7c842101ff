"""Handles without Kafka: what is waited for, what is raised, what is looked up."""

import gc
import threading
import time
from collections.abc import Callable

import pytest

from orchestrator.client.handle import Handle
from orchestrator.client.watch import Watch, Watches
from orchestrator.errors import Compensated, OutcomeTimeout, Unavailable
from orchestrator.wire.body import AvroBody
from orchestrator.wire.outcome import RequestAnswered, RequestResult, SagaEnded

LookBack = Callable[[Watch, float], None]


class Reader:
    def output(self, body: AvroBody | None) -> str:
        return "nothing" if body is None else body.value.decode()

    def rejection(self, full_name: str, body: AvroBody | None) -> Exception | None:
        return None if body is None else LookupError(full_name, body.value)


def never(_: Watch, until: float) -> None:
    raise AssertionError(until)


def answered(result: RequestResult, request_id: str = "r") -> RequestAnswered:
    return RequestAnswered(request_id=request_id, saga_id="s", result=result, text="why")


def ended(output: bytes | None = b"done") -> SagaEnded:
    return SagaEnded(
        saga_id="s",
        saga="purchase",
        status="completed",
        output=None if output is None else AvroBody("x", output),
        rejection_type=None,
        rejection=None,
        reason="",
        started_ms=1,
        ended_ms=2,
    )


def handle(watches: Watches, look_back: LookBack = never, request_id: str | None = "r") -> Handle[str]:
    return Handle(watches.of("s"), request_id, Reader(), look_back)


def test_an_accepted_start_never_looks_back() -> None:
    watches = Watches()
    held = handle(watches)
    watches.of("s").learn(answered("accepted"))
    with pytest.raises(OutcomeTimeout):
        held.outcome(0.01)
    watches.of("s").learn(ended())
    assert held.outcome() == "done"


def test_an_outcome_that_comes_without_its_answer_is_enough() -> None:
    watches = Watches()
    held = handle(watches)
    watches.of("s").learn(ended(None))
    assert held.outcome(0) == "nothing"


@pytest.mark.parametrize("request_id", [None, "r"])
def test_a_saga_started_before_is_looked_back_for_once(request_id: str | None) -> None:
    watches, looked = Watches(), list[float]()
    held = handle(watches, lambda _, until: looked.append(until), request_id)
    watches.of("s").learn(answered("already"))
    for _ in range(2):
        with pytest.raises(OutcomeTimeout):
            held.outcome(0.05)
    assert len(looked) == 1


def test_a_look_back_that_ran_out_of_time_is_repeated() -> None:
    watches, looked = Watches(), list[float]()

    def late(watch: Watch, until: float) -> None:
        looked.append(until)
        if len(looked) == 2:
            watch.learn(ended())
        else:
            while time.monotonic() < until:
                pass

    held = handle(watches, late, None)
    with pytest.raises(OutcomeTimeout):
        held.outcome(0.02)
    assert held.outcome(30) == "done"


def test_a_request_that_was_not_sent_is_raised() -> None:
    watches = Watches()
    held = handle(watches)
    watches.of("s").fail("r", Unavailable("not sent"))
    for ask in (held.answered, held.outcome):
        with pytest.raises(Unavailable, match="not sent"):
            ask(30)


def test_a_rejection_that_is_known_is_shown() -> None:
    watches = Watches()
    held = handle(watches)
    rejection = AvroBody("x", b"body")
    watches.of("s").learn(
        SagaEnded(
            saga_id="s",
            saga="purchase",
            status="compensated",
            output=None,
            rejection_type="billing.Declined",
            rejection=rejection,
            reason="charge was rejected",
            started_ms=1,
            ended_ms=2,
        )
    )
    with pytest.raises(
        Compensated, match=r"^saga s was compensated, charge was rejected: billing\.Declined\("
    ) as caught:
        held.outcome(0)
    assert caught.value.rejection_type == "billing.Declined"


def test_answers_to_several_requests_of_one_saga_are_kept_apart() -> None:
    watches = Watches()
    watch = watches.of("s")
    watch.learn(answered("accepted", "first"))
    watch.learn(answered("already", "second"))
    first, second = (Handle(watch, request_id, Reader(), never) for request_id in ("first", "second"))
    assert (second.answered(0), first.answered(0)) == ("already", "accepted")


def test_a_callback_is_called_once_now_or_later() -> None:
    watches, called = Watches(), list[str]()
    held = handle(watches)
    held.add_done_callback(lambda each: called.append(f"early {each.id}"))
    assert called == []
    watches.of("s").learn(ended())
    watches.of("s").learn(ended())
    held.add_done_callback(lambda each: called.append(f"late {each.id}"))
    assert called == ["early s", "late s"]


def test_whoever_waits_is_woken() -> None:
    watches, results = Watches(), list[str]()
    held = handle(watches)
    threads = [threading.Thread(target=lambda: results.append(held.outcome(30))) for _ in range(3)]
    for thread in threads:
        thread.start()
    watches.of("s").learn(ended())
    for thread in threads:
        thread.join(30)
    assert results == ["done"] * 3


def test_what_nobody_holds_is_gone() -> None:
    watches = Watches()
    held = handle(watches)
    held.add_done_callback(lambda _: None)
    assert watches.find("s") is not None
    del held
    gc.collect()
    assert watches.find("s") is None


def test_after_the_listener_ended_nobody_waits() -> None:
    watches = Watches()
    held = handle(watches)
    watches.abandon(Unavailable("ended"))
    for ask in (held.outcome, lambda: watches.of("other")):
        with pytest.raises(Unavailable, match="ended"):
            ask()
