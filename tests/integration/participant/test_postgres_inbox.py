"""`PostgresInbox` on a real Postgres: handler, effect and first answer commit together; undo before do."""

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from orchestrator.errors import AccessDenied, ConfigError, Unavailable
from orchestrator.participant.inbox import REFUSED, SKIPPED, Delivery, Retryable
from orchestrator.participant.postgres import PostgresInbox, PostgresSession
from orchestrator.wire.reply import Answer, failed

DO = Delivery(namespace="n", command_id="s/withdraw/0/do", undoes=None, role="do")
UNDO = Delivery(namespace="n", command_id="s/withdraw/0/undo", undoes=DO.command_id, role="undo")
PROBE = Delivery(namespace="n", command_id="s/withdraw/0/probe", undoes=DO.command_id, role="probe")
ANOTHER = Delivery(namespace="n", command_id="other/withdraw/0/do", undoes=None, role="do")
DONE = Answer(outcome="completed", schema_id="abc", value=b"\x01\x02")
REJECTED = Answer(outcome="rejected", type="bank.Closed", schema_id="def", value=b"")
FAILED = failed("Unreadable", "schön", retryable=False, no_effect=True)

Handle = Callable[[psycopg.Connection], Answer]


@pytest.fixture
def session(database: str) -> Generator[PostgresSession]:
    inbox = PostgresInbox(database)
    inbox.prepare()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table effects (n int)")
    session = inbox.session()
    yield session
    session.close()


@pytest.fixture
def effects(database: str) -> Generator[Callable[[], int]]:
    with psycopg.connect(database, autocommit=True) as connection:

        def count() -> int:
            row = connection.execute("select count(*) from effects").fetchone()
            assert row
            return row[0]

        yield count


def act(answer: Answer) -> Handle:
    def handle(connection: psycopg.Connection) -> Answer:
        connection.execute("insert into effects values (1)")
        return answer

    return handle


def never(_: psycopg.Connection) -> Answer:
    raise AssertionError("the handler was called")


@pytest.mark.parametrize("answer", [DONE, Answer(outcome="completed")])
def test_a_duplicate_gets_the_first_answer_and_no_second_effect(
    session: PostgresSession, effects: Callable[[], int], answer: Answer
) -> None:
    assert session.once(DO, act(answer)) == answer
    assert session.once(DO, never) == answer
    assert effects() == 1


@pytest.mark.parametrize("answer", [REJECTED, FAILED])
def test_what_is_not_completed_leaves_no_effect_but_its_answer(
    session: PostgresSession, effects: Callable[[], int], answer: Answer
) -> None:
    assert session.once(DO, act(answer)) == answer
    assert effects() == 0
    assert session.once(DO, never) == answer


def test_a_rejection_after_a_failed_statement_is_stored(session: PostgresSession) -> None:
    def handle(connection: psycopg.Connection) -> Answer:
        try:
            connection.execute("select 1 / 0")
        except psycopg.errors.DivisionByZero:
            return REJECTED
        raise AssertionError

    assert session.once(DO, handle) == REJECTED
    assert session.once(DO, never) == REJECTED


def test_a_retryable_failure_leaves_neither_effect_nor_answer(
    session: PostgresSession, effects: Callable[[], int]
) -> None:
    def fail(connection: psycopg.Connection) -> Answer:
        act(DONE)(connection)
        raise Retryable("KeyError", "'x'")

    with pytest.raises(Retryable):
        session.once(DO, fail)
    assert effects() == 0
    assert session.once(DO, act(DONE)) == DONE
    assert effects() == 1


def test_a_handler_that_hides_a_failed_statement_is_retryable(session: PostgresSession) -> None:
    def handle(connection: psycopg.Connection) -> Answer:
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("select from nowhere")
        return DONE

    with pytest.raises(Retryable, match="InFailedSqlTransaction"):
        session.once(DO, handle)
    assert session.once(DO, act(DONE)) == DONE


def test_a_constraint_that_only_the_commit_checks_is_retryable(session: PostgresSession, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table p (id int primary key)")
        connection.execute("create table c (p int references p deferrable initially deferred)")

    def handle(connection: psycopg.Connection) -> Answer:
        connection.execute("insert into c values (1)")
        return DONE

    with pytest.raises(Retryable, match="ForeignKeyViolation"):
        session.once(DO, handle)


def test_a_handler_cannot_commit_what_its_answer_may_take_back(
    session: PostgresSession, effects: Callable[[], int]
) -> None:
    def handle(connection: psycopg.Connection) -> Answer:
        act(DONE)(connection)
        connection.commit()
        return DONE

    with pytest.raises(Retryable, match="commit"):
        session.once(DO, handle)
    assert effects() == 0


def test_an_undo_runs_when_the_do_was_completed(session: PostgresSession, effects: Callable[[], int]) -> None:
    session.once(DO, act(DONE))
    assert session.once(UNDO, act(DONE)) == DONE
    assert effects() == 2
    assert session.once(UNDO, never) == DONE


def test_an_undo_before_its_do_is_skipped_and_a_late_do_refused(session: PostgresSession) -> None:
    assert session.once(UNDO, never) == SKIPPED
    assert session.once(DO, never) == REFUSED
    assert session.once(UNDO, never) == SKIPPED


@pytest.mark.parametrize("first", [REJECTED, FAILED])
def test_an_undo_of_what_did_not_happen_is_skipped(session: PostgresSession, first: Answer) -> None:
    session.once(DO, act(first))
    assert session.once(UNDO, never) == SKIPPED
    assert session.once(DO, never) == first


def test_a_probe_before_its_do_asks_and_a_late_do_is_refused(session: PostgresSession) -> None:
    nothing = Answer(outcome="completed", schema_id="abc", value=b"\x00")
    assert session.once(PROBE, lambda _: nothing) == nothing
    assert session.once(DO, never) == REFUSED
    assert session.once(UNDO, never) == SKIPPED


def test_a_probe_after_its_do_asks(session: PostgresSession) -> None:
    session.once(DO, act(DONE))
    assert session.once(PROBE, lambda _: DONE) == DONE
    assert session.once(DO, never) == DONE


def test_a_probe_that_failed_refuses_nothing(session: PostgresSession) -> None:
    def fail(_: psycopg.Connection) -> Answer:
        raise Retryable("ValueError", "")

    with pytest.raises(Retryable):
        session.once(PROBE, fail)
    assert session.once(DO, act(DONE)) == DONE


def test_the_same_id_in_another_namespace_is_another_command(session: PostgresSession) -> None:
    other = Delivery(namespace="m", command_id=DO.command_id, undoes=None, role="do")
    assert session.once(DO, act(DONE)) == DONE
    assert session.once(other, act(REJECTED)) == REJECTED


class Blocked:
    """A do that stands in the middle of its handler on a connection of its own, until it is let go."""

    def __init__(self, database: str, pool: ThreadPoolExecutor, finish: Handle) -> None:
        self._go, begun, self.session = threading.Event(), threading.Event(), PostgresInbox(database).session()

        def handle(connection: psycopg.Connection) -> Answer:
            begun.set()
            assert self._go.wait(30)
            return finish(connection)

        self.answer = pool.submit(self.session.once, DO, handle)
        assert begun.wait(30)

    def let_go_when_somebody_waits(self, database: str) -> None:
        wait_until_one_is_blocked(database)
        self._go.set()


def wait_until_one_is_blocked(database: str) -> None:
    blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 30
    with psycopg.connect(database, autocommit=True) as connection:
        while connection.execute(blocked).fetchone() != (1,):
            assert time.monotonic() < deadline


@pytest.mark.parametrize("first", [DONE, REJECTED])
def test_the_same_command_on_two_connections_waits_and_gets_the_first_answer(
    session: PostgresSession, database: str, first: Answer
) -> None:
    with ThreadPoolExecutor(2) as pool:
        blocked = Blocked(database, pool, act(first))
        second = pool.submit(session.once, DO, never)
        blocked.let_go_when_somebody_waits(database)
        assert (blocked.answer.result(30), second.result(30)) == (first, first)
        blocked.session.close()


def test_the_second_connection_handles_what_the_first_could_not(session: PostgresSession, database: str) -> None:
    def fail(_: psycopg.Connection) -> Answer:
        raise Retryable("ValueError", "")

    with ThreadPoolExecutor(2) as pool:
        blocked = Blocked(database, pool, fail)
        second = pool.submit(session.once, DO, act(DONE))
        blocked.let_go_when_somebody_waits(database)
        with pytest.raises(Retryable):
            blocked.answer.result(30)
        assert second.result(30) == DONE
        blocked.session.close()


@pytest.mark.parametrize(("do", "undo"), [(DONE, FAILED), (REJECTED, SKIPPED)])
def test_an_undo_waits_for_the_do_in_the_middle_of_its_handler(
    session: PostgresSession, database: str, do: Answer, undo: Answer
) -> None:
    with ThreadPoolExecutor(2) as pool:
        blocked = Blocked(database, pool, act(do))
        second = pool.submit(session.once, UNDO, act(undo))
        blocked.let_go_when_somebody_waits(database)
        assert (blocked.answer.result(30), second.result(30)) == (do, undo)
        blocked.session.close()


def test_a_do_waits_for_its_undo_and_is_refused(session: PostgresSession, database: str) -> None:
    with psycopg.connect(database) as other, ThreadPoolExecutor(1) as pool:
        other.execute(
            "insert into saga_inbox (namespace, command_id, outcome, schema, body) values (%s, %s, %s, %s, %s)",
            (DO.namespace, DO.command_id, REFUSED.outcome, REFUSED.schema_id, REFUSED.value),
        )
        late = pool.submit(session.once, DO, never)
        wait_until_one_is_blocked(database)
        other.commit()
        assert late.result(30) == REFUSED


def test_a_broken_connection_is_unavailable_and_the_next_call_connects_again(
    session: PostgresSession, database: str, effects: Callable[[], int]
) -> None:
    def kill(connection: psycopg.Connection) -> Answer:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
        return act(DONE)(connection)

    with pytest.raises(Unavailable):
        session.once(DO, kill)
    assert effects() == 0
    assert session.once(DO, act(DONE)) == DONE
    assert effects() == 1


def test_a_handler_that_hides_the_broken_connection_is_unavailable_too(session: PostgresSession, database: str) -> None:
    def kill(connection: psycopg.Connection) -> Answer:
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError) as caught:
            connection.execute("select 1")
        raise Retryable("OperationalError", str(caught.value))

    with pytest.raises(Unavailable):
        session.once(DO, kill)
    assert session.once(DO, act(DONE)) == DONE


def test_a_read_only_database_is_unavailable(database: str, session: PostgresSession) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(name))
    with pytest.raises(Unavailable, match="read-only"):
        session.once(DO, act(DONE))


def test_a_deadlock_is_retryable(session: PostgresSession, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into effects values (1), (2)")
    update = "update effects set n = n where n = %s"
    both_have_one = threading.Barrier(2)

    def in_order(first: int, second: int) -> Handle:
        def handle(connection: psycopg.Connection) -> Answer:
            connection.execute("set local deadlock_timeout = '10ms'")
            connection.execute(update, (first,))
            both_have_one.wait(30)
            try:
                connection.execute(update, (second,))
            except psycopg.errors.DeadlockDetected as error:
                raise Retryable("DeadlockDetected", "") from error
            return DONE

        return handle

    other = PostgresInbox(database).session()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(session.once, DO, in_order(1, 2)), pool.submit(other.once, ANOTHER, in_order(2, 1))]
    other.close()
    outcomes = sorted(type(answer.exception(30)).__name__ for answer in answers)
    assert outcomes == ["NoneType", "Retryable"]
    assert session.once(DO, act(DONE)) == DONE


def test_the_table_is_made_once_by_many_who_start_together(database: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(PostgresInbox(database).prepare) for _ in range(8)]:
            done.result(30)
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from saga_inbox").fetchone() == (0,)


def test_who_may_not_create_the_table_is_told_the_statement(database: str) -> None:
    reader = f"{database}?options=-c%20role%3Dpg_read_all_data"
    with pytest.raises(AccessDenied, match="create table if not exists saga_inbox"):
        PostgresInbox(reader).prepare()


def test_an_unreachable_database_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        PostgresInbox("postgresql://127.0.0.1:1/none").prepare()


def test_a_dsn_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match="postgresql://"):
        PostgresInbox("not a dsn").prepare()
