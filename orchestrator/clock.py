"""The wall clock as everything that is sent and stored tells it."""

import time


def now_ms() -> int:
    """Milliseconds since 1970; they may go back when somebody sets the clock."""
    return time.time_ns() // 1_000_000
