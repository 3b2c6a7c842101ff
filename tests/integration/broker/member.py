"""A process that is a member of a group and says so, until it is killed: ``python -m`` with bootstrap, namespace, …"""

import sys

from orchestrator.broker.kafka import KafkaBroker
from orchestrator.wire.topics import Topics


def main() -> None:
    bootstrap, namespace, group_protocol, session_timeout_ms = sys.argv[1:]
    broker = KafkaBroker(
        bootstrap, Topics(namespace), group_protocol=group_protocol, session_timeout_ms=int(session_timeout_ms)
    )
    membership = broker.membership()
    while True:
        sys.stdout.write(f"{len(membership.poll(0.1))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
