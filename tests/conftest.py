"""What every test may use: see `tests/servers.py` for the servers, `tests/no_skips.py` for the rule about skips."""

pytest_plugins = ["tests.no_skips", "tests.servers"]
