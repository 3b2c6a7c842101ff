"""What a process logs, and what it must not: the values of its author's messages."""

import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest
import structlog

from orchestrator import telemetry
from orchestrator.participant.participant import Participant


def charge(card: str) -> None:
    raise RuntimeError(f"no answer for a card of {len(card)} digits")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_in_the_log_has_no_values_of_variables(
    *, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure(json=as_json)
    number = str(4111_1111_1111_1111)
    try:
        charge(number)
    except RuntimeError:
        telemetry.logger("participant").warning("a handler raised", exc_info=True)
    logged = capsys.readouterr().err
    assert "RuntimeError: no answer for a card of 16 digits" in logged
    assert "in charge" in logged
    assert number not in logged


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, process: int | None = None) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    telemetry.configure(process=process)
    telemetry.logger("runner").info("shard owned", shard=3)
    return stream.getvalue()


def test_lines_are_json_unless_a_person_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.loads(logged(io.StringIO(), monkeypatch))
    assert line.pop("timestamp").endswith("Z")
    assert line == {"component": "runner", "event": "shard owned", "level": "info", "shard": 3}
    text = logged(Terminal(), monkeypatch)
    assert not text.startswith("{")
    assert "shard owned" in text


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logged(FullDisk(), monkeypatch) == ""
    assert "shard owned" in logged(io.StringIO(), monkeypatch)


def test_each_line_of_one_of_several_processes_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(logged(io.StringIO(), monkeypatch, process=2))["process"] == 2


def test_a_participants_program_logs_as_the_orchestrator_does_unless_it_chose_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAGA_KAFKA", raising=False)
    for chosen in (None, [structlog.processors.KeyValueRenderer()]):
        structlog.reset_defaults()
        if chosen is not None:
            structlog.configure(processors=chosen)
        with pytest.raises(SystemExit):
            Participant("bank").run()
        assert structlog.is_configured()
        assert (structlog.get_config()["processors"] == chosen) is (chosen is not None)
