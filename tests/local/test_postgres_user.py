"""The user that runs Postgres for root: made once, whoever comes first."""

import pwd
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.local.postgres import _admit

pytestmark = pytest.mark.slow  # each runs a program
NOBODY = "saga_nobody_has_this_name"


@pytest.fixture(autouse=True)
def useradd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `useradd` that refuses, as the system's does for a name that exists already."""
    script = tmp_path / "useradd"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_user_that_another_stack_has_made_meanwhile_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    root, asked = pwd.getpwnam("root"), list[str]()

    def look(user: str) -> pwd.struct_passwd:
        asked.append(user)
        if len(asked) == 1:
            raise KeyError(user)
        return root

    monkeypatch.setattr(pwd, "getpwnam", look)
    _admit(NOBODY)
    assert asked == [NOBODY, NOBODY]


def test_a_user_that_cannot_be_made_is_the_operators_to_make() -> None:
    with pytest.raises(ConfigError, match=f"expected a system user {NOBODY}, .*exit status 9.* create the user"):
        _admit(NOBODY)
