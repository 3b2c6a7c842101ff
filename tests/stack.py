"""`python -m tests.stack`: a stack with the tests' settings, until Ctrl-C, for runs of the tests to share.

Its data is gone afterwards.
"""

import signal
from contextlib import suppress

from tests.servers import DATABASE_VARIABLE, KAFKA_VARIABLE, local_stack


def main() -> None:
    """Start it, print what the other terminals need, and wait."""
    with suppress(KeyboardInterrupt), local_stack() as stack:
        print(f"export {KAFKA_VARIABLE}={stack.kafka} {DATABASE_VARIABLE}={stack.database}", flush=True)  # noqa: T201 - a command
        signal.pause()


if __name__ == "__main__":
    main()
