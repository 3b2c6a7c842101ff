"""docs/operations.md names the metrics that there are, and no others."""

import re

from orchestrator.operations.figures import Figures
from orchestrator.operations.report import text
from orchestrator.operations.supervisor import Supervisor
from orchestrator.shard.runner import Status
from orchestrator.shard.shard import ShardStatus
from tests.page import Page, codes

PAGE = Page("docs/operations.md")


def test_the_table_has_every_metric_with_its_labels() -> None:
    metrics = [code for cell, _ in PAGE.table("| metric | what it is |") for code in codes(cell)]
    documented = [metric.removesuffix("}").partition("{") for metric in metrics]
    status = Status(
        joined=True, shards=(ShardStatus(0, owned=True, trouble=None, footer_ms=1, open_incidents=0),), stuck=()
    )
    reports = [Figures().report(status), *Supervisor(lambda _: [], 1).reports()]
    told = {
        (re.sub(r"_(bucket|sum|count)$", "", sample), ",".join(re.findall(r"(\w+)=", labels)))
        for sample, labels in re.findall(r"^(saga_\w+)(?:\{(.*)\})?", text(reports).decode(), re.MULTILINE)
    }
    told = {(name, "" if labels == "le" else labels) for name, labels in told}
    assert {(name, frozenset(labels.split(","))) for name, _, labels in documented} == {
        (name, frozenset(labels.split(","))) for name, labels in told
    }
