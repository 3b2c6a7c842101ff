"""Written constructors take what ``dataclass`` would take, and make equal objects."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from compiled.constructors import with_constructors

ROOT = Path(__file__).parents[3]

SOURCE = '''"""A module."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Key:
    """A key."""

    name: str
    number: int = 3


@dataclass(slots=True, kw_only=True)
class Box:
    """A box."""

    status: ClassVar[str] = "open"
    key: Key | None
    parts: list[int] = field(default_factory=list[int])
    """Its parts."""
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        self.parts.append(len(self.text))
'''


def module_of(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, "planted", "exec"), found)
    return found


@pytest.fixture
def written() -> dict[str, Any]:
    return module_of(with_constructors(SOURCE))


def test_parameters_are_those_of_the_dataclass(written: dict[str, Any]) -> None:
    plain = module_of(SOURCE)
    for name in ("Key", "Box"):
        asked, given = (inspect.signature(module[name]).parameters for module in (plain, written))
        assert [(each.name, each.kind) for each in asked.values()] == [
            (each.name, each.kind) for each in given.values()
        ]
        assert [each.default is each.empty for each in asked.values()] == [
            each.default is each.empty for each in given.values()
        ]


def test_an_object_has_its_values_its_defaults_and_its_hash(written: dict[str, Any]) -> None:
    key, box = written["Key"]("a"), written["Box"]
    assert (key, hash(key)) == (written["Key"]("a", 3), hash(written["Key"]("a", 3)))
    assert key != written["Key"]("a", 4)
    assert dataclasses.asdict(box(key=None, text="ab")) == {"key": None, "parts": [2], "text": "ab"}
    assert box(key=key).parts == [0], "each has a list of its own"
    assert box(key=key) == box(key=key, text="")


def test_a_field_that_cannot_be_written_is_refused() -> None:
    source = SOURCE.replace("compare=False", "init=False")
    with pytest.raises(ValueError, match="in the field text of Box: write its __init__ by hand"):
        with_constructors(source)


def test_a_module_without_dataclasses_stays_as_it_is() -> None:
    source = (ROOT / "orchestrator" / "wire" / "tree.py").read_text()
    assert with_constructors(source) == source
