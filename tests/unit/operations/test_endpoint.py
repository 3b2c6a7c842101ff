"""`/healthz`, `/readyz` and `/metrics`, asked as Prometheus and a cluster's kubelet ask."""

import socket
import struct
from http.client import HTTPConnection, RemoteDisconnected
from threading import Event

import pytest
from structlog.testing import capture_logs

from orchestrator.errors import ConfigError
from orchestrator.operations.endpoint import serving
from orchestrator.operations.report import Family, Report

pytestmark = pytest.mark.slow
WELL = Report(1, families=(Family("saga_retries", "counter", "Sent again.", (("saga_retries_total", (), 3.0),)),))
REFUSED = Report(2, unready=("shard 1 is not owned: DatabaseBehind: keep it",))
STUCK = Report(3, unhealthy=("relay-1 is stuck in one step",))


def ask(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_all_is_well() -> None:
    with serving(0, lambda: [WELL, WELL]) as port:
        assert port
        assert ask(port, "/healthz") == ask(port, "/readyz") == (200, "ok\n")
        assert ask(port, "/readyz?verbose") == (200, "ok\n")
        status, text = ask(port, "/metrics")
        assert (status, text.splitlines()[-1]) == (200, "saga_retries_total 6.0")
        assert ask(port, "/") == (404, "expected /healthz, /readyz or /metrics\n")


def test_a_refused_shard_is_not_ready_and_says_why_but_a_restart_would_not_cure_it() -> None:
    with serving(0, lambda: [WELL, REFUSED]) as port:
        assert port
        assert ask(port, "/readyz") == (503, "process 2: shard 1 is not owned: DatabaseBehind: keep it\n")
        assert ask(port, "/healthz") == (200, "ok\n")


def test_a_process_with_a_stuck_thread_is_neither_healthy_nor_ready() -> None:
    with serving(0, lambda: [STUCK, WELL]) as port:
        assert port
        stuck = (503, "process 3: relay-1 is stuck in one step\n")
        assert ask(port, "/healthz") == ask(port, "/readyz") == stuck


def test_who_leaves_without_an_answer_is_no_news_and_a_report_that_fails_is(capfd: pytest.CaptureFixture[str]) -> None:
    asked, left = Event(), Event()

    def reports() -> list[Report]:
        asked.set()
        assert left.wait(10)
        return [WELL]

    with serving(0, reports) as port, capture_logs() as logs:
        assert port
        with socket.create_connection(("127.0.0.1", port)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
            probe.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            assert asked.wait(10)
        left.set()
    assert (capfd.readouterr().err, logs) == ("", [])

    def failing() -> list[Report]:
        raise LookupError("a defect")

    with serving(0, failing) as port, capture_logs() as logs:
        assert port
        with pytest.raises(RemoteDisconnected):
            ask(port, "/metrics")
    assert [(line["event"], str(line["exc_info"])) for line in logs] == [
        ("a question could not be answered", "a defect")
    ]


def test_nobody_listens_unless_a_port_was_named() -> None:
    with serving(None, lambda: [WELL]) as port:
        assert port is None


def test_a_port_that_is_anothers_is_refused() -> None:
    with (
        serving(0, lambda: [WELL]) as port,
        pytest.raises(ConfigError, match=f"expected a free port .* SAGA_METRICS_PORT or --metrics-port, got {port}: "),
        serving(port, lambda: [WELL]),
    ):
        pass
