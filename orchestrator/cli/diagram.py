"""`saga diagram FILE[:NAME]`: a saga as a Mermaid flowchart, for a page of documentation.

Derived from the blueprint alone. Solid arrows lead on, thick ones where nothing is undone any more, dotted lines to
what undoes a step; every business answer that ends the saga leads to one end, at which what was done is undone.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from orchestrator.blueprint.description import describe
from orchestrator.blueprint.model import Blueprint, Fail, Json, Label, Message, Node, Require, Step
from orchestrator.cli.compile import compile_one
from orchestrator.exit_code import ExitCode

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

START: Final = "start"
END: Final = "completed"
UNDOING: Final = "compensated"

_SHAPES: Final = {
    "step": ("[", "]"),
    "query": ("[/", "/]"),
    "pivot": ("{{", "}}"),
    "ensure": ("[[", "]]"),
    "require": ("{", "}"),
    "fail": ("[", "]"),
    "end": ("([", "])"),
    "undo": ("[", "]"),
}
"""Mermaid's brackets around a text: https://mermaid.js.org/syntax/flowchart.html#node-shapes."""
_GIVES_UP: Final = ("step", "query")
"""Before the pivot; a pivot and what follows it are sent until they are answered."""
_UNSAFE: Final = re.compile(r"[^\w ,()=+/\[\]?-]")
"""What may mean something to Mermaid within quotes: Markdown, HTML, entities, styles."""
_CLASSES: Final = ("classDef undo stroke-dasharray:4", "classDef pivot stroke-width:3px")


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga diagram` and its argument."""
    parser = subparsers.add_parser(
        "diagram",
        description="Print a saga as a Mermaid flowchart: its steps and what undoes them, its conditions, its point "
        "of no return. GitHub and GitLab draw it in Markdown, within ```mermaid.",
    )
    parser.add_argument("source", metavar="FILE[:NAME]", help="a Python file, and which of its sagas if it has several")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the diagram. Raises what ``compile_one`` raises."""
    print(mermaid(compile_one(arguments.source)))
    return ExitCode.OK


def mermaid(blueprint: Blueprint) -> str:
    """The flowchart as text; the same for the same blueprint."""
    drawing = _Drawing()
    drawing.box(START, "end", blueprint.name, _name(blueprint.schemas[blueprint.input]))
    drawing.reached(START, "")
    for index, node in enumerate(blueprint.nodes):
        drawing.add(f"n{index}", node)
        if drawing.ended:
            break  # what stands behind it is never reached
    if not drawing.ended:
        output = () if blueprint.output is None else (_name(blueprint.schemas[blueprint.output]),)
        drawing.box(END, "end", END, *output)
        drawing.arrow(END)
    if drawing.can_undo:
        drawing.box(UNDOING, "end", UNDOING, "what was done is undone, the last first")
    return "\n".join(["flowchart TD", *(f"    {line}" for line in (*drawing.lines, *drawing.classes()))])


@dataclass(slots=True)
class _Drawing:
    """The lines so far, and the place from which the next node is reached."""

    lines: list[str] = field(default_factory=list[str])
    undos: list[str] = field(default_factory=list[str])
    pivots: list[str] = field(default_factory=list[str])
    can_undo: bool = False
    ended: bool = False
    _place: str = START
    _says: str = ""

    def add(self, name: str, node: Node) -> None:
        """One node, and the arrow that leads to it; a label changes nothing that is drawn."""
        match node:
            case Step():
                self.box(name, node.kind, node.name, _sent(node.command))
                self.arrow(name)
                self._exits(name, node)
                if node.kind == "pivot":
                    self.pivots.append(name)
                self.reached(name, "done")
            case Require():
                self.box(name, "require", describe(node.condition))
                self.arrow(name)
                self._undone(name, f"no: {_short(node.otherwise.type)}")
                self.reached(name, "yes")
            case Fail():
                self.box(name, "fail", f"fail: {_short(node.why.type)}")
                self.arrow(name)
                self._undone(name, "")
                self.ended = True
            case Label():
                pass
            case _:
                assert_never(node)

    def box(self, name: str, shape: str, *texts: str) -> None:
        """A node with its texts below each other."""
        opening, closing = _SHAPES[shape]
        self.lines.append(f"{name}{opening}{_quoted(*texts)}{closing}")

    def arrow(self, name: str) -> None:
        """From the last node to this one: thick after the pivot."""
        self.lines.append(f"{self._place} {_arrow('==>' if self.pivots else '-->', self._says)} {name}")

    def reached(self, name: str, says: str) -> None:
        """The next arrow begins at this node, and says this."""
        self._place, self._says = name, says

    def classes(self) -> Iterator[str]:
        """How undos and pivots look."""
        for definition, names in zip(_CLASSES, (self.undos, self.pivots), strict=True):
            if names:
                yield definition
                yield f"class {','.join(names)} {definition.split()[1]}"

    def _exits(self, name: str, node: Step) -> None:
        exits = [_short(rejection) for rejection in node.command.rejections]
        if node.retry.attempts_max and node.kind in _GIVES_UP and node.on_unknown == "undo" and not self.pivots:
            exits.append(f"unknown after {node.retry.attempts_max} attempts")
        if exits:
            self._undone(name, *exits)
        if node.undo is not None:
            undo = f"{name}undo"
            self.box(undo, "undo", "undo", _sent(node.undo))
            self.undos.append(undo)
            self.lines.append(f"{name} {_arrow('-.-', _undo_rule(node))} {undo}")

    def _undone(self, name: str, *says: str) -> None:
        self.can_undo = True
        self.lines.append(f"{name} {_arrow('-->', *says)} {UNDOING}")


def _undo_rule(node: Step) -> str:
    """What precedes the undo of a step of which nobody knows whether it happened."""
    if node.probe is not None:
        return f"unknown: first {_short(node.probe.type)}"
    return "unknown: incident" if node.on_unknown == "incident" else ""


def _arrow(arrow: str, *says: str) -> str:
    return f"{arrow}|{_quoted(*says)}|" if any(says) else arrow


def _quoted(*texts: str) -> str:
    return f'"{"<br>".join(map(_safe, texts))}"'


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"#{ord(found.group())};", text)


def _sent(message: Message) -> str:
    return f"{_short(message.type)} to {message.participant}"


def _short(full_name: str) -> str:
    return full_name.rpartition(".")[2]


def _name(schema: Json) -> str:
    """Of a record its class; of anything else its type as Avro writes it."""
    match schema:
        case {"name": str(name)}:
            return _short(name)
        case {"logicalType": str(name)} | {"type": str(name)} | str(name):
            return name
        case list():
            parts: Sequence[Json] = schema
            return " or ".join(map(_name, parts))
        case _:
            raise AssertionError(f"expected an Avro schema, got {schema!r}")
