"""Written constructors take what ``dataclass`` would take, and make equal objects."""

import dataclasses
import inspect
import re
from typing import Any, ClassVar, get_type_hints

import pytest

from compiled.constructors import with_constructors

SOURCE = '''"""A module."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Key:
    """A key."""

    name: str
    number: int = 3


@dataclass(frozen=True, slots=True)
class Place(Key):
    """A place."""

    room: str = field(kw_only=True)


@dataclass(slots=True, kw_only=True)
class Box:
    """A box."""

    status: ClassVar[str] = "open"
    key: Key | None
    parts: list[int] = field(default_factory=list[int])
    """Its parts."""
    text: str = field(default="", compare=False)
    opened: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.parts.append(len(self.text))
'''


def module_of(source: str) -> dict[str, Any]:
    found: dict[str, Any] = {"__name__": __name__}
    exec(compile(source, "planted", "exec"), found)
    return found


@pytest.fixture
def written() -> dict[str, Any]:
    """Without the freezing: only a compiled constructor can set the fields of a frozen class."""
    return module_of(with_constructors(SOURCE).replace("frozen=True", "unsafe_hash=True"))


def test_parameters_are_those_of_the_dataclass(written: dict[str, Any]) -> None:
    plain = module_of(SOURCE)
    for name in ("Key", "Place", "Box"):
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
    assert dataclasses.asdict(box(key=None, text="ab")) == {"key": None, "parts": [2], "text": "ab", "opened": 0}
    assert box(key=key).parts == [0], "each has a list of its own"
    assert box(key=key) == box(key=key, text="")
    assert written["Place"]("a", room="b") == written["Place"]("a", 3, room="b")


def test_what_is_frozen_stays_frozen_and_a_subclass_has_the_fields_of_its_base() -> None:
    made = with_constructors(SOURCE)
    assert "@_dataclasses.dataclass(init=False, frozen=True)\nclass Key:" in made
    assert "def __init__(self, name: str, number: int = 3, *, room: str) -> None: self.name = name; " in made


def test_no_line_moves_and_the_classes_tell_their_types(written: dict[str, Any]) -> None:
    lines, made = SOURCE.split("\n"), with_constructors(SOURCE).split("\n")
    assert len(made) == len(lines) + 1, "the last class has its constructor behind it"
    assert [number for number, line in enumerate(lines) if line.strip().startswith(("class ", "def "))] == [
        number
        for number, line in enumerate(made)
        if line.strip().startswith(("class ", "def ")) and " __init__(" not in line
    ]
    assert get_type_hints(written["Box"], written) == {
        "status": ClassVar[Any],
        "key": written["Key"] | None,
        "parts": list[int],
        "text": str,
        "opened": int,
    }


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("compare=False", "converter=str", "got converter, in Box.text"),
        ("parts: list[int]", "parts: list[int] | None", "Box.parts: write its __init__ by hand"),
        ("text: str", "text: InitVar[str]", "expected a field, got text: InitVar[str], in Box"),
        ("slots=True, kw_only=True", "weakref_slot=True", "of Box, got weakref_slot"),
        ("class Box:", "class Box(Generic[T]):", "expected no generic dataclass, got Box"),
    ],
)
def test_what_cannot_be_written_is_refused(written: str, instead: str, said: str) -> None:
    assert SOURCE.count(written) == 1
    with pytest.raises(ValueError, match=re.escape(said)):
        with_constructors(SOURCE.replace(written, instead))


def test_a_module_without_dataclasses_stays_as_it_is() -> None:
    source = "import ast\n\n\nclass Plain:\n    x: int = 3\n"
    assert with_constructors(source) == source
