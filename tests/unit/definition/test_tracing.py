"""How a definition is watched while it is traced, and that nothing of it is left afterwards."""

import gc
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import pytest

from orchestrator import Saga, saga
from orchestrator.blueprint.model import Label, Step
from orchestrator.definition.guard import project_of
from orchestrator.definition.trace import current
from tests.unit.definition.shop import Order, Send, texts

Choice: TypeAlias = Callable[[Any], Any]
LENT: list[Any] = []


@saga
def lending(s: Saga, o: Order) -> None:
    LENT[:] = [o, s]
    s.step("send", Send(text=o.number), undo=None)


def test_a_traced_value_is_of_no_use_once_its_saga_is_compiled() -> None:
    lending.compile()
    with pytest.raises(TypeError, match=r"`o` stands for a value of a saga in the making: it is only used while that"):
        LENT[0].number  # noqa: B018  # what is refused
    with pytest.raises(TypeError, match="only used while that is compiled"):
        bool(LENT[0])


def test_the_callers_profiler_stays_as_it_is() -> None:
    def profiler(frame: FrameType, event: str, argument: Any) -> None:
        """Sees nothing of interest."""

    sys.setprofile(profiler)
    try:
        lending.compile()
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert current() is None


def test_a_debugger_may_look_at_a_value_from_its_own_code() -> None:
    source = "def look(value):\n    return repr(value)\n"
    debugger: dict[str, Any] = {}
    exec(compile(source, "<debugger>", "exec"), debugger)
    looked: list[str] = []

    @saga
    def watched(s: Saga, o: Order) -> None:
        looked.append(debugger["look"](o.total > 3))
        s.step("send", Send(text=""), undo=None)

    watched.compile()
    assert looked == ["<traced o.total > 3>"]


def test_what_python_does_in_between_is_not_the_authors() -> None:
    read: list[float] = []

    def collected(phase: str, info: dict[str, int]) -> None:
        read.append(time.perf_counter())

    @saga
    def pausing(s: Saga, o: Order) -> None:
        gc.collect()
        s.step("send", Send(text=""), undo=None)

    gc.callbacks.append(collected)
    try:
        pausing.compile()
    finally:
        gc.callbacks.remove(collected)
    assert read


def test_known_values_are_decided_as_ever() -> None:
    roles = {"clerk": 1, "manager": 2}

    @saga
    def known(s: Saga, o: Order) -> None:
        for role in sorted(roles):
            if roles[role] > 1:
                s.step(role, Send(text=role), undo=None)  # pyright: ignore[reportArgumentType]  # no literal, but known
        s.label(count=len(roles))

    step, label = known.compile().nodes
    assert isinstance(step, Step)
    assert isinstance(label, Label)
    assert step.name == "manager"


def test_two_lambdas_on_one_line_are_told_apart() -> None:
    choose: tuple[Choice, Choice] = (lambda value: value, lambda value: value is None)

    @saga
    def right(s: Saga, o: Order) -> None:
        s.label(number=choose[0](o.number))

    @saga
    def wrong(s: Saga, o: Order) -> None:
        s.label(number=choose[1](o.number))

    right.compile()
    assert texts(wrong) == [
        "`value is None` is decided while compiling: write present(value); for two known values, =="
    ]


def test_source_that_cannot_be_read_is_refused() -> None:
    program = "def silent(s: Saga, o: Order) -> None:\n    s.step('send', Send(text=''), undo=None)\n"
    namespace: dict[str, Any] = {"Saga": Saga, "Order": Order, "Send": Send}
    exec(compile(program, "/nowhere/silent.py", "exec"), namespace)
    assert texts(saga(namespace["silent"])) == [
        "the source cannot be read, so nothing can be checked: write the saga to a file"
    ]


def test_what_is_the_authors_project() -> None:
    is_authors = project_of(lending.function)
    site_packages = Path(sysconfig.get_path("purelib"))
    assert is_authors(__file__)
    assert is_authors("/elsewhere/helpers.py")
    assert not is_authors("<string>")
    assert not is_authors(str(site_packages / "library" / "module.py"))
    assert not is_authors(str(Path(sysconfig.get_path("stdlib")) / "json" / "__init__.py"))
    assert not is_authors(str(Path(sys.modules["orchestrator"].__file__ or "").parent / "definition" / "scope.py"))


def test_an_installed_saga_is_its_own_project() -> None:
    installed = Path(sysconfig.get_path("purelib")) / "their_sagas"
    namespace: dict[str, Any] = {}
    exec(compile("def function(): pass", str(installed / "sagas.py"), "exec"), namespace)
    is_authors = project_of(namespace["function"])
    assert is_authors(str(installed / "helpers.py"))
    assert not is_authors(str(installed.parent / "library" / "module.py"))
