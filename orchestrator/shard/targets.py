"""Whether the batches that wait in the outbox can still be published: what could be sent then may be gone by now.

A record whose topic is gone or forbidden blocks the shard, and every reader of its transaction for ever.
"""

from orchestrator.broker.rights import missing, to_send
from orchestrator.errors import NotAuthorized, ShardRefused, TopicMismatch
from orchestrator.shard.batch import RelayBatch
from orchestrator.shard.takeover import Ports


def check_targets(ports: Ports, batch: RelayBatch) -> None:
    """Raises ``TopicMismatch`` when a topic of ``batch`` is gone, ``ShardRefused`` when it may not be written."""
    wanted = sorted({record.topic for record in batch.records})
    waits = f"batch {batch.seq}, which is appended and waits to be published"
    try:
        found = ports.broker.topics(wanted) if wanted else {}
    except NotAuthorized as error:
        raise forbidden(ports.shard, f"expected to publish {waits}: {error}") from error
    gone = [topic for topic in wanted if topic not in found]
    if gone:
        raise TopicMismatch(
            f"shard {ports.shard}: expected the topics of {waits}, got none named {', '.join(gone)}: "
            f"create it again (`saga deploy FILE --create-topics`)"
        )
    lacking = missing(map(to_send, wanted), found)
    if lacking:
        raise forbidden(
            ports.shard,
            f"expected to publish {waits}, lacking {'; '.join(lacking)}: grant what `saga acls FILE` prints",
        )


def forbidden(shard: int, text: str) -> ShardRefused:
    """One topic's rights are no reason to end the process, which has other shards."""
    return ShardRefused(f"shard {shard}: {text}")
