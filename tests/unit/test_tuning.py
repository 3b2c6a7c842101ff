import gc
import sys

import pytest

from orchestrator.tuning import COLLECT_AFTER, SWITCH_S, tuned


def test_a_process_is_tuned_within_its_block_only() -> None:
    before = sys.getswitchinterval(), gc.get_threshold()
    with tuned():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        assert gc.get_threshold()[0] == COLLECT_AFTER
    assert (sys.getswitchinterval(), gc.get_threshold()) == before
