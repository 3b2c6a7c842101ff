"""docs/configuration.md says what orchestrator/settings.py does, and the settings of docs/security.md load."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator.settings import FAMILIES, VARIABLES, Settings, load
from tests.page import Page

PAGE = Page("docs/configuration.md")
EXAMPLES = [text for text in Page("docs/security.md").listings() if text.startswith("SAGA_")]
NO_STACK = Path("/nowhere")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_the_table_is_the_settings() -> None:
    settings = {**VARIABLES, **FAMILIES}
    assert PAGE.table("| setting | what it is | default | allowed |") == [
        [code(name), each.meaning, code(each.default), each.allowed] for name, each in settings.items()
    ]


def test_defaults_are_the_same_for_who_sets_nothing_and_who_makes_settings() -> None:
    assert load({"SAGA_KAFKA": "a:1"}, NO_STACK) == Settings(kafka="a:1")


@pytest.mark.parametrize("name", [name for name, each in VARIABLES.items() if each.bounds])
def test_bounds_are_taken_and_what_is_beyond_is_not(name: str) -> None:
    least, most = VARIABLES[name].bounds or (0, 0)
    for number in (least, most):
        loaded = load({"SAGA_KAFKA": "a:1", name: str(number)}, NO_STACK)
        field = name.removeprefix("SAGA_").lower()
        assert loaded == replace(Settings(kafka="a:1"), **{field: number})
    for number in (least - 1, most + 1):
        with pytest.raises(ConfigError, match=f"expected a whole number from {least} to {most} in {name}"):
            load({"SAGA_KAFKA": "a:1", name: str(number)}, NO_STACK)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_load(example: str) -> None:
    given = variables(example)
    loaded = load({"SAGA_KAFKA": "a:1", **given}, NO_STACK)
    assert (loaded.kafka, loaded.database) == (given.get("SAGA_KAFKA", "a:1"), given.get("SAGA_DATABASE"))
    assert set(loaded.kafka_options.values()) == {
        value for name, value in given.items() if name.startswith("SAGA_KAFKA__")
    }


def test_there_are_examples_of_scram_of_mutual_tls_and_of_postgres() -> None:
    protocols = [variables(example).get("SAGA_KAFKA__SECURITY_PROTOCOL") for example in EXAMPLES]
    assert protocols == ["SASL_SSL", "SSL", None]


@pytest.mark.parametrize(("given", "said"), PAGE.table("| set | said |"))
def test_what_is_wrong_is_said_as_the_page_says(given: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load({"SAGA_KAFKA": "a:1", **variables(given.strip("`"))}, NO_STACK)
    assert str(refused.value) == said


def test_the_table_of_exit_statuses_has_all_of_them() -> None:
    assert [int(status) for status, _, _ in PAGE.table("| status | when | who must act |")] == list(ExitCode)
