"""Whoever is refused ends with status 5 and one line that names the server and what lacks."""

import signal
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from orchestrator import AccessDenied, Client, Command, Participant
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.rights import Kind, Operation, Right, of_client, of_orchestrator, of_participant
from orchestrator.errors import MessageRejected, OutcomeTimeout, ShardRefused
from orchestrator.participant import schemas as schemas_module
from orchestrator.participant.schemas import Schemas
from orchestrator.settings import load
from orchestrator.wire.topics import Topics
from tests.integration.cli.conftest import PATIENCE_S, SHARDS, Called, running
from tests.integration.cli.test_orchestrator_process import owns_all, saga_run
from tests.integration.security.conftest import As, Prepared
from tests.integration.security.secured import Secured
from tests.integration.security.tls import server_context, tls_in_front_of
from tests.waiting import until

SOON_S = 5
INPUT = '{"source": "alice", "target": "bob", "amount": "12.5"}'


class Ping(Command[None], to="preparedbank"):
    """Never sent."""


@pytest.fixture(autouse=True)
def signals_of_its_own() -> Generator[None]:
    """`saga run` takes the signals of its process, which here is that of all tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def refused(called: Called, *words: str) -> None:
    last = called.err.splitlines()[-1]
    assert (called.status, called.out) == (5, "")
    assert [word for word in words if word not in last] == [], last


# ---------------------------------------------------------------- who we are, and who they are


def test_a_wrong_password_of_kafka(secured: Secured, user: str, saga_as: As) -> None:
    wrong = {**secured.scram(user, "right"), "SAGA_KAFKA__SASL_PASSWORD": "wrong", "SAGA_DATABASE": "postgresql://db"}
    called = saga_as(wrong, "run")
    refused(called, secured.addresses["SCRAM"], "invalid credentials", "SAGA_KAFKA__SASL_*")
    assert "wrong" not in called.err


def test_a_broker_whose_certificate_has_expired(secured: Secured, user: str, saga_as: As) -> None:
    address = secured.addresses["EXPIRED"]
    called = saga_as({**secured.mutual(user), "SAGA_KAFKA": address}, "cancel", "t1")
    refused(called, f"the certificate of {address}: certificate has expired")


def test_a_broker_of_an_authority_that_is_not_trusted(secured: Secured, user: str, saga_as: As, tmp_path: Path) -> None:
    stranger, _ = secured.authority.issue("stranger")
    called = saga_as({**secured.mutual(user), "SAGA_KAFKA__SSL_CA_LOCATION": str(stranger)}, "cancel", "t1")
    refused(called, f"the certificate of {secured.addresses['MUTUAL']}: unable to get local issuer certificate")


def test_a_certificate_of_ours_that_has_expired(secured: Secured, user: str, saga_as: As) -> None:
    began = time.monotonic()
    called = saga_as(secured.mutual(user, expired=True), "cancel", "t1")
    refused(called, secured.addresses["MUTUAL"], "refuses our certificate", "SAGA_KAFKA__SSL_CERTIFICATE_LOCATION")
    assert time.monotonic() - began < SOON_S


def test_a_certificate_of_ours_that_lacks(secured: Secured, user: str, saga_as: As) -> None:
    without = dict(secured.mutual(user))
    del without["SAGA_KAFKA__SSL_CERTIFICATE_LOCATION"], without["SAGA_KAFKA__SSL_KEY_LOCATION"]
    refused(saga_as(without, "cancel", "t1"), secured.addresses["MUTUAL"], "refuses our certificate")


def test_a_wrong_password_of_postgres(secured: Secured, saga_as: As) -> None:
    wrong = secured.database("nobody", "wrong")
    called = saga_as({"SAGA_KAFKA": secured.stack.kafka, "SAGA_DATABASE": wrong}, "list")
    refused(called, f"127.0.0.1:{secured.postgres_port}/saga as nobody", "password authentication failed")
    assert "wrong" not in called.err


def test_a_postgres_whose_certificate_has_expired(secured: Secured, saga_as: As) -> None:
    expired = server_context(*secured.authority.issue("old-postgres", expired=True))
    with tls_in_front_of(secured.stack.postgres.port, expired) as port:
        called = saga_as(
            {"SAGA_KAFKA": secured.stack.kafka, "SAGA_DATABASE": secured.database("a", "b", port=port)}, "list"
        )
    refused(called, f"127.0.0.1:{port}/saga as a", "certificate has expired")


def test_a_certificate_of_ours_that_postgres_refuses(secured: Secured, saga_as: As) -> None:
    demanding = server_context(*secured.authority.issue("demanding-postgres"), secured.authority.file)
    certificate, key = secured.authority.issue("old-client", expired=True)
    with tls_in_front_of(secured.stack.postgres.port, demanding) as port:
        address = secured.database("a", "b", port=port) + f"&sslcert={certificate}&sslkey={key}"
        called = saga_as({"SAGA_KAFKA": secured.stack.kafka, "SAGA_DATABASE": address}, "list")
    refused(called, f"127.0.0.1:{port}/saga as a", "alert certificate expired", "SAGA_DATABASE")


# ---------------------------------------------------------------- what we may


def granted_all_but(
    secured: Secured, user: str, rights: Sequence[Right], name: str, operation: Operation
) -> dict[str, str]:
    """The settings of ``user``, who has these rights without one of them."""
    rest = [
        replace(right, operations=tuple(each for each in right.operations if (right.name, each) != (name, operation)))
        for right in rights
    ]
    assert rest != list(rights), f"expected {operation} on {name} among the rights"
    return granted(secured, user, rest)


def granted(secured: Secured, user: str, rights: Sequence[Right]) -> dict[str, str]:
    """The settings of ``user``, who has these rights."""
    secured.grant([binding(user, right, each) for right in rights for each in right.operations])
    return secured.scram(user, "a password")


def of(prepared: Prepared) -> dict[str, str]:
    """The settings of the namespace, for whoever connects to it."""
    return {"SAGA_NAMESPACE": prepared.namespace, "SAGA_DATABASE": prepared.database, "SAGA_SHARDS": str(SHARDS)}


def binding(user: str, right: Right, operation: Operation) -> AclBinding:
    """One operation of a right."""
    return AclBinding(
        ResourceType["BROKER" if right.kind is Kind.CLUSTER else right.kind],
        right.name,
        ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        AclOperation[operation],
        AclPermissionType.ALLOW,
    )


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (("prepared.replies", Operation.READ), "READ on topic prepared.replies: grant what `saga acls FILE` prints"),
        (("prepared.journal", Operation.DESCRIBE_CONFIGS), "prepared.journal"),
        (("prepared-orchestrators", Operation.READ), "consumer group prepared-orchestrators"),
        (("prepared-relay-", Operation.WRITE), "transactional id prepared-relay-"),
    ],
)
def test_a_right_that_the_orchestrator_lacks(
    secured: Secured, prepared: Prepared, user: str, saga_as: As, lacking: tuple[str, Operation], words: str
) -> None:
    topics = Topics(prepared.namespace)
    settings = granted_all_but(secured, user, of_orchestrator(topics, [prepared.bank]), *lacking)
    own = {"SAGA_NAMESPACE": prepared.namespace, "SAGA_DATABASE": prepared.database}
    refused(saga_as({**settings, **own}, "run"), words)


def test_a_participant_that_may_not_be_sent_to_is_undeliverable_and_stops_nobody(
    secured: Secured, prepared: Prepared, user: str, saga_as: As
) -> None:
    rights, commands = of_orchestrator(Topics(prepared.namespace), [prepared.bank]), f"{prepared.bank}.commands"
    settings = granted_all_but(secured, user, rights, commands, Operation.WRITE)
    own = of(prepared)
    with running(load({**settings, **own})):
        for _ in range(2):
            called = saga_as(
                {"SAGA_KAFKA": secured.stack.kafka, **own}, "start", "money_transfer", "--input", INPUT, "--wait"
            )
            assert called.status == 3
            for words in ("was compensated", f"WRITE and DESCRIBE_CONFIGS on topic {commands}"):
                assert words in called.err.splitlines()[-1]


def test_a_right_that_is_taken_away_stops_the_shard_of_the_batch_until_it_is_back(
    secured: Secured, prepared: Prepared, user: str
) -> None:
    topics, commands = Topics(prepared.namespace), f"{prepared.bank}.commands"
    settings = granted(secured, user, of_orchestrator(topics, [prepared.bank]))
    own = of(prepared)
    administrator = load({"SAGA_KAFKA": secured.stack.kafka, **own})
    with running(load({**settings, **own})) as service, Client(administrator) as client, ThreadPoolExecutor() as pool:
        for number in range(2 * SHARDS):  # every shard has asked for the topic, and knows it
            client.start_named("money_transfer", INPUT, id=f"{user}-{number}", timeout=PATIENCE_S)
        rights = secured.revoke(user, commands)
        waiting = [
            pool.submit(client.start_named, "money_transfer", INPUT, id=f"{user}-more-{number}", timeout=PATIENCE_S)
            for number in range(8)
        ]

        def refused_for_it() -> bool:
            troubles = [shard.trouble for shard in service.status().shards]
            return any(type(each) is ShardRefused and commands in str(each) for each in troubles)

        until(refused_for_it)
        secured.grant(rights)
        for each in waiting:
            each.result(PATIENCE_S)


def test_a_right_of_its_own_that_is_taken_away_ends_the_orchestrator_with_one_line(
    secured: Secured, prepared: Prepared, user: str, tmp_path: Path
) -> None:
    topics, log = Topics(prepared.namespace), tmp_path / "log"
    settings = granted(secured, user, of_orchestrator(topics, [prepared.bank]))
    own = of(prepared)
    with (
        saga_run(log, {**settings, **own}) as process,
        Client(load({"SAGA_KAFKA": secured.stack.kafka, **own})) as client,
    ):
        until(lambda: owns_all(log))
        secured.revoke(user, topics.relay_id_prefix)
        with pytest.raises(OutcomeTimeout):  # who has no way to publish an answer gives none
            client.start_named("money_transfer", INPUT, timeout=1)
        assert process.wait(PATIENCE_S) == 5
    written = log.read_text()
    assert "Traceback" not in written
    assert "transactional id prepared-relay-" in written.splitlines()[-1]


def test_a_right_that_a_client_lacks(secured: Secured, prepared: Prepared, user: str, saga_as: As) -> None:
    topics = Topics(prepared.namespace)
    settings = granted_all_but(secured, user, of_client(topics), topics.requests, Operation.WRITE)
    own = {"SAGA_NAMESPACE": prepared.namespace}
    called = saga_as({**settings, **own}, "start", "money_transfer", "--input", INPUT)
    refused(called, topics.requests, "rights on that topic")


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (("preparedbank.commands", Operation.READ), "topic preparedbank.commands"),
        (("preparedbank", Operation.READ), "consumer group preparedbank"),
    ],
)
def test_a_right_that_a_participant_lacks(
    secured: Secured,
    prepared: Prepared,
    user: str,
    capsys: pytest.CaptureFixture[str],
    lacking: tuple[str, Operation],
    words: str,
) -> None:
    settings = granted_all_but(secured, user, of_participant(Topics(prepared.namespace), prepared.bank), *lacking)
    bank = Participant(prepared.bank)
    bank.handles(Ping)(lambda _command, _context: None)
    with pytest.raises(SystemExit) as ended:
        bank.run(load({**settings, "SAGA_NAMESPACE": prepared.namespace}))
    assert ended.value.code == 5
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_participant_that_may_not_reply_says_so_before_it_answers(
    secured: Secured, prepared: Prepared, user: str
) -> None:
    topics = Topics(prepared.namespace)
    rights = [*of_participant(topics, prepared.bank), Right(Kind.TOPIC, topics.replies, (Operation.READ,))]
    settings = granted_all_but(secured, user, rights, topics.replies, Operation.WRITE)
    schemas = Schemas(
        lambda names: KafkaBroker(settings["SAGA_KAFKA"], names, load(settings).kafka_options), prepared.namespace
    )
    with pytest.raises(AccessDenied, match="lacking WRITE on topic prepared.replies: grant"):
        schemas.introduce(prepared.namespace)


def test_a_namespace_in_which_a_participant_may_not_reply_stops_nobody_else_until_it_may(
    secured: Secured, prepared: Prepared, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = Topics(prepared.namespace)
    rights = [*of_participant(topics, prepared.bank), Right(Kind.TOPIC, topics.replies, (Operation.READ,))]
    settings = granted_all_but(secured, user, rights, topics.replies, Operation.WRITE)
    asked: list[str] = []

    def connect(names: Topics) -> KafkaBroker:
        asked.append(names.namespace)
        return KafkaBroker(settings["SAGA_KAFKA"], names, load(settings).kafka_options)

    schemas = Schemas(connect, home="another")
    for _ in range(3):
        with pytest.raises(MessageRejected, match="lacking WRITE on topic prepared.replies: grant") as refused:
            schemas.introduce(prepared.namespace)
        assert refused.value.reason == "forbidden"
    assert asked == [prepared.namespace]
    granted(secured, user, rights)
    monkeypatch.setattr(schemas_module, "FORBIDDEN_S", 0.0)
    schemas.introduce(prepared.namespace)


def test_a_table_that_may_not_be_read(secured: Secured, prepared: Prepared, saga_as: As) -> None:
    with psycopg.connect(prepared.database, autocommit=True) as owner:
        owner.execute("create role half_a_reader login password 'r'; grant usage on schema saga to half_a_reader")
        owner.execute("grant select on saga.meta to half_a_reader")
    database = secured.database("half_a_reader", "r", prepared.namespace)
    called = saga_as(
        {"SAGA_KAFKA": secured.stack.kafka, "SAGA_DATABASE": database, "SAGA_NAMESPACE": prepared.namespace}, "list"
    )
    refused(called, f"/{prepared.namespace} as half_a_reader", "permission denied for view stored_sagas")
