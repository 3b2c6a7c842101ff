"""`Offsets`: an offset may be committed only when everything below it is answered."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.participant.offsets import Offsets, Span


def test_a_finished_span_waits_for_an_unfinished_one_below_it() -> None:
    offsets, first, second = Offsets(), Span(0, 10, 2), Span(0, 20, 1)
    offsets.opened(first)
    offsets.opened(second)
    offsets.answered([second])
    offsets.answered([first])
    assert offsets.take_committable() == {}
    offsets.answered([first])
    assert offsets.take_committable() == {0: 20}
    assert offsets.take_committable() == {}


def test_partitions_do_not_wait_for_each_other() -> None:
    offsets, slow, quick = Offsets(), Span(0, 10, 1), Span(1, 30, 1)
    offsets.opened(slow)
    offsets.opened(quick)
    offsets.answered([quick])
    assert offsets.take_committable() == {1: 30}
    assert offsets.busy([0]) is True
    assert offsets.busy([1]) is False


def test_what_is_dropped_is_not_committed_and_not_waited_for() -> None:
    offsets, done, dropped = Offsets(), Span(0, 10, 1), Span(0, 20, 3)
    offsets.opened(done)
    offsets.opened(dropped)
    offsets.answered([done])
    offsets.drop([0])
    offsets.answered([dropped])
    assert dropped.dropped is True
    assert (offsets.unanswered, offsets.busy([0])) == (0, False)
    assert offsets.take_committable() == {0: 10}


def test_what_could_not_be_committed_is_taken_again() -> None:
    offsets, span = Offsets(), Span(0, 10, 1)
    offsets.give_back(0, 7)
    assert offsets.take_committable() == {0: 7}
    offsets.opened(span)
    offsets.answered([span])
    offsets.give_back(0, 7)
    assert offsets.take_committable() == {0: 10}


def test_nothing_of_a_partition_that_others_own_is_committed() -> None:
    offsets, span = Offsets(), Span(0, 10, 1)
    offsets.opened(span)
    offsets.answered([span])
    offsets.forget([0])
    assert offsets.take_committable() == {}


@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=12),
    order=st.randoms(use_true_random=False),
)
def test_in_whatever_order_answers_come_nothing_unanswered_is_below_a_commit(
    sizes: list[tuple[int, int]], order: Random
) -> None:
    offsets, ends, spans = Offsets(), dict.fromkeys(range(3), 0), list[Span]()
    for partition, size in sizes:
        ends[partition] += size
        spans.append(Span(partition, ends[partition], size))
        offsets.opened(spans[-1])
    answers = [span for span in spans for _ in range(span.unanswered)]
    order.shuffle(answers)
    for span in answers:
        offsets.answered([span])
        for partition, offset in offsets.take_committable().items():
            below = [each for each in spans if each.partition == partition and each.next_offset <= offset]
            assert below
            assert all(each.unanswered == 0 for each in below)
    assert offsets.unanswered == 0
