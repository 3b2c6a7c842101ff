"""How a participant's program ends."""

import pytest

from orchestrator import Participant
from orchestrator.exit_code import ExitCode


def test_a_setting_that_cannot_be_ends_it_as_a_command_of_saga(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGA_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("SAGA_SHARDS", "many")
    with pytest.raises(SystemExit) as ended:
        Participant("bank").run()
    assert ended.value.code == ExitCode.USAGE == 2
    assert capsys.readouterr() == ("", "expected a whole number from 1 to 1024 in SAGA_SHARDS, got 'many'\n")
