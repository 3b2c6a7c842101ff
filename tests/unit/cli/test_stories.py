"""What `saga show` tells of a saga, compared whole: each story is a scenario of the engine and the text at its end.

``REWRITE_STORIES=1 pytest tests/unit/cli/test_stories.py`` writes what is told now; read the diff.
"""

import os
from pathlib import Path
from typing import get_args

import pytest

from orchestrator.blueprint.model import Label
from orchestrator.cli import picture, story, timeline
from orchestrator.cli.picture import Mark
from orchestrator.cli.story import Story
from orchestrator.cli.timeline import Entry
from orchestrator.engine import events
from tests.unit.engine.scenario import Scenario

STORIES = Path(__file__).parent / "stories"
SCENARIOS = [
    file
    for file in sorted((Path(__file__).parent.parent / "engine" / "scenarios").glob("*.txt"))
    if "SagaStarted" in file.read_text()
]
TOLD = "--- told\n"


def played(text: str, unpublished: int = 0) -> Story:
    """The saga at the end of a scenario, whose last events are not published yet."""
    scenario = Scenario()
    scenario.run(text)
    assert scenario.program is not None
    assert scenario.state is not None
    seen = len(scenario.history) - unpublished
    entries = [Entry(event, number < seen) for number, event in enumerate(scenario.history)]
    return Story(scenario.state, not unpublished, scenario.program.blueprint, entries)


@pytest.mark.parametrize("file", sorted(STORIES.glob("*.txt")), ids=lambda file: file.stem)
def test_story(file: Path) -> None:
    scenario, _, expected = file.read_text().partition(TOLD)
    told = "\n".join(story.lines(played(scenario))) + "\n"
    if os.environ.get("REWRITE_STORIES"):
        file.write_text(scenario + TOLD + told)
    else:
        assert told == expected


def test_there_are_stories() -> None:
    assert len(list(STORIES.glob("*.txt"))) >= 8


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_scenario_can_be_told_at_every_moment(file: Path) -> None:
    whole = played(file.read_text())
    assert whole.blueprint is not None
    for end in range(1, len(whole.entries) + 1):
        entries = whole.entries[:end]
        assert len(timeline.lines(entries, whole.blueprint)) == end
        drawn = picture.lines(picture.looks(whole.blueprint, [entry.event for entry in entries]))
        assert len(drawn) == sum(not isinstance(node, Label) for node in whole.blueprint.nodes) + any(
            "no return" in line for line in drawn
        )
    ended = [look.mark for look in picture.looks(whole.blueprint, [entry.event for entry in whole.entries])]
    if whole.state.ended_ms is not None:
        assert Mark.WAITING not in ended
        assert Mark.STOPPED not in ended


def test_every_event_can_be_told() -> None:
    assert set(timeline.TELL) == set(get_args(events.Event))


def test_what_is_not_published_is_marked() -> None:
    saga = played('saga\n  step withdraw undo=plain\n\n> start r1 {"amount":10}\n', unpublished=1)
    told = story.lines(saga)
    assert told[0] == "demo s1  running  (not yet published)"
    assert [line for line in told[1:] if timeline.PENDING in line] == [
        "  +0.000 s  withdraw  … bank.DoWithdraw sent to bank, attempt 1, awaited until +10.000 s  (not yet published)"
    ]


def test_without_its_definition_a_saga_has_a_timeline_and_a_reason_for_no_picture() -> None:
    whole = played('saga\n  step withdraw undo=plain\n\n> start r1 {"amount":10}\n')
    told = story.lines(Story(whole.state, whole.published, None, whole.entries))
    assert "  its definition is not in the database yet: start an orchestrator (`saga run`)" in told
    assert told[-1] == "  +0.000 s  withdraw  … do sent, attempt 1, awaited until +10.000 s"
