"""Figures of a command that ends, as the node exporter reads them."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.errors import ConfigError
from orchestrator.operations.textfile import Textfile


def test_figures_are_written_with_the_time_of_it(tmp_path: Path) -> None:
    figures = Textfile("verify")
    figures.set("differences", "Tables.", 2)
    figures.set_by_shard("batch", "Batches.", {0: 7, 1: 9})
    figures.write(tmp_path / "saga.prom")
    families = text_string_to_metric_families((tmp_path / "saga.prom").read_text())
    found = {(each.name, each.labels.get("shard")): each.value for family in families for each in family.samples}
    completed = found.pop(("saga_verify_completed_timestamp_seconds", None))
    assert completed > 1_700_000_000
    assert found == {
        ("saga_verify_differences", None): 2,
        ("saga_verify_batch", "0"): 7,
        ("saga_verify_batch", "1"): 9,
    }


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a file that can be written, got .*nowhere"):
        Textfile("verify").write(tmp_path / "nowhere" / "saga.prom")
