"""Servers whose history is not the one that was: refused by name, nothing is changed, and the right one goes on."""

import json
import signal
import subprocess
from contextlib import closing
from dataclasses import replace

import psycopg
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from examples.money_transfer.saga import money_transfer
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.broker.topology import namespace_topics
from orchestrator.local.postgres import binary
from tests.acceptance.faults.orchestrator_process import Orchestrator
from tests.acceptance.faults.stage import SHARDS
from tests.acceptance.faults.town import ALL, Town
from tests.page import Page
from tests.waiting import until


def copy_of(town: Town, name: str) -> str:
    """Another database with everything that the town's has at one moment: a backup, or a primary after a failover."""
    made = town.stage.system.stack.create_database(name)
    dump = [binary("pg_dump"), "--dbname", town.settings.need_database()]
    restore = [binary("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", made]
    with subprocess.Popen(dump, stdout=subprocess.PIPE) as dumping:
        subprocess.run(restore, stdin=dumping.stdout, stdout=subprocess.DEVNULL, check=True)
    assert dumping.returncode == 0
    return made


def refused(orchestrator: Orchestrator, reason: str, text: str = "") -> bool:
    """Whether it says so of every shard."""
    told = [line for line in orchestrator.log() if line.get("reason") == reason and text in str(line["text"])]
    return frozenset(int(str(line["shard"])) for line in told) == ALL


def test_a_restored_older_database_is_refused_and_stays_as_it_is(town: Town) -> None:
    first = town.orchestrator("first")
    town.transfer(10)
    town.settle()
    older = copy_of(town, f"{town.settings.namespace}_older")
    before = town.heads(older)
    town.transfer(10)
    town.settle()
    first.stop()
    restored = town.orchestrator("restored", {"SAGA_DATABASE": older})
    until(lambda: refused(restored, "DatabaseBehind"))
    town.transfer(10)
    restored.forget()
    assert not restored.owned()
    assert town.heads(older) == before
    restored.stop()
    town.orchestrator("right")
    town.settle()
    town.prove()


def test_a_zombie_of_a_lost_database_publishes_nothing(town: Town) -> None:
    zombie = town.orchestrator("zombie")
    until(lambda: zombie.owned() == ALL)
    town.transfer(10)
    zombie.signal(signal.SIGSTOP)
    town.settings = replace(town.settings, database=copy_of(town, f"{town.settings.namespace}_promoted"))
    other = town.orchestrator("other")
    until(lambda: other.owned() == ALL)
    town.transfer(10)
    town.settle()
    zombie.forget()
    zombie.signal(signal.SIGCONT)
    town.transfer(10)
    until(lambda: zombie.reasons() & {"ChainsDiverged", "DatabaseBehind"})
    zombie.kill()  # a member of the group still: until it leaves, its shards wait for another database
    town.settle()
    town.prove()


def test_a_topic_recreated_under_a_running_process_is_refused(town: Town) -> None:
    running = town.orchestrator("running")
    town.transfer(10)
    town.settle()
    replies = town.topics.replies
    admin = AdminClient({"bootstrap.servers": town.stage.kafka})
    admin.delete_topics([replies])[replies].result()
    with closing(KafkaBroker(town.stage.kafka, town.topics)) as broker:
        until(lambda: not broker.topics([replies]))
        broker.create(namespace_topics(town.topics, SHARDS))
    until(lambda: refused(running, "TopicMismatch", "created again"))
    before = town.heads()
    town.transfer(10)
    running.kill()
    restarted = town.orchestrator("restarted")
    until(lambda: refused(restarted, "TopicMismatch", "created again"))
    assert town.heads() == before


(SET_OFFSETS,) = Page("docs/runbook.md").listings("sql")


def test_inputs_that_were_deleted_unread_are_not_passed_over_until_an_operator_says_so(town: Town) -> None:
    first = town.orchestrator("first")
    town.transfer(10)
    town.settle()
    first.stop()
    requests = [TopicPartition(town.topics.requests, shard) for shard in ALL]
    with closing(KafkaBroker(town.stage.kafka, town.topics)) as broker:

        def ends() -> int:
            return sum(broker.input_ends(shard).next_requests for shard in ALL)

        before = ends()
        lost = town.transfer(10)
        until(lambda: ends() >= before + 10)
    admin = AdminClient({"bootstrap.servers": town.stage.kafka})
    below = [TopicPartition(each.topic, each.partition, OFFSET_END) for each in requests]
    for deleted in admin.delete_records(below).values():
        deleted.result()
    positions = town.ask("select shard, next_requests from saga.shards order by 1")
    second = town.orchestrator("second")
    until(lambda: refused(second, "InputsDeleted", "deleted unread"))
    assert town.ask("select shard, next_requests from saga.shards order by 1") == positions
    second.stop()
    as_the_runbook_says(town)
    town.orchestrator("third")
    for name in lost:  # the clients ask again, with the same ids
        town.handles[name] = town.client.submit(money_transfer, town.orders[name].transfer, id=name)
    town.settle()
    town.prove()
    assert json.loads(town.saga("verify", "--json"))["equal"] is True


def as_the_runbook_says(town: Town) -> None:
    """Set each shard to where its topics begin."""
    with (
        closing(KafkaBroker(town.stage.kafka, town.topics)) as broker,
        psycopg.connect(town.settings.need_database()) as connection,
    ):
        for shard in ALL:
            begins: list[int] = []
            for topic in (town.topics.requests, town.topics.replies):
                with closing(broker.history(topic, shard)) as history:
                    begins.append(history.bounds()[0])
            told = SET_OFFSETS.replace("40", str(begins[0])).replace("17", str(begins[1]))
            connection.execute(told.replace("shard = 3", f"shard = {shard}").encode())
