"""A participant as a process of its own, for tests that kill it: ``python -m … name dsn [crash after so many]``."""

import os
import signal
import sys
from decimal import Decimal

from orchestrator import Context, Participant, PostgresInbox
from orchestrator.definition import messages
from tests.integration.participant.messages import Receipt, Withdraw

name, dsn, *crash_after = sys.argv[1:]
messages._participants[Withdraw] = name
bank = Participant(name, inbox=PostgresInbox(dsn))
handled = 0


@bank.handles(Withdraw)
def withdraw(command: Withdraw, context: Context) -> Receipt:
    global handled  # noqa: PLW0603 - four workers, and a crash need not be exact
    context.connection.execute("insert into effects values (%s)", (context.saga_id,))
    handled += 1
    if crash_after and handled > int(crash_after[0]):
        os.kill(os.getpid(), signal.SIGKILL)
    return Receipt(balance=Decimal(handled))


bank.run()
