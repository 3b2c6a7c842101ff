"""`saga quarantine`: what could not be read or sent, and what an operator does about it."""

import argparse
import base64
import getpass
import heapq
import os
import socket
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from orchestrator.blueprint.model import Json
from orchestrator.broker.kafka import KafkaBroker
from orchestrator.cli import servers
from orchestrator.cli.consent import ask
from orchestrator.cli.options import moment, positive
from orchestrator.cli.output import print_json, visible
from orchestrator.cli.terminal import print_table
from orchestrator.cli.wording import instant
from orchestrator.client.quarantine import Choice, Kept, Place, Quarantine
from orchestrator.errors import ConfigError
from orchestrator.exit_code import ExitCode
from orchestrator.wire.quarantine import DISCARDED, REASONS, REDRIVEN
from orchestrator.wire.topics import Topics

if TYPE_CHECKING:
    from orchestrator.cli.main import Subparsers

Action = Literal["redrive", "discard"]

LIMIT: Final = 100
HEADINGS: Final = ("place", "since", "reason", "saga", "message", "what happened")
PLANNED: Final = (*HEADINGS[:-1], "to do")
DONE: Final[Mapping[Action, str]] = {"redrive": REDRIVEN, "discard": DISCARDED}
SHOWN_MAX: Final = 20
"""Lines of what is about to be done, before a person is asked; all of it is counted, and `--json` has all of it."""


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add `saga quarantine`, its actions and their arguments."""
    parser = subparsers.add_parser(
        "quarantine",
        description="What could not be read or sent is kept whole in the quarantine, with the reason: list it, show "
        "one record, redrive (send it again to where it was read from, where it counts once), or discard.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="what is there, the newest first", description="List the quarantine.")
    _add_filters(listing)
    listing.add_argument("--all", action="store_true", help="what was redriven or discarded, too")
    listing.add_argument("--limit", type=positive, default=LIMIT, metavar="N", help=f"at most so many ({LIMIT})")
    listing.add_argument("--json", action="store_true", help="print one JSON array")
    showing = actions.add_parser("show", help="one record, whole", description="Show one record of the quarantine.")
    showing.add_argument("place", metavar="PLACE", type=_place, help="partition/offset, as listed")
    showing.add_argument("--json", action="store_true", help="print one JSON object")
    for action, purpose in (
        ("redrive", "send records again to where they were read from"),
        ("discard", "say that nothing shall be done about records"),
    ):
        doing = actions.add_parser(action, help=purpose, description=f"{purpose.capitalize()}; asks first.")
        doing.add_argument(
            "places", metavar="PLACE", type=_place, nargs="*", help="partition/offset, as listed, settled or not"
        )
        _add_filters(doing)
        doing.add_argument("--yes", action="store_true", help="do it; without it and without a terminal nothing is")
        doing.add_argument("--by", metavar="NAME", help="who does it, for those who look later (user@host)")
        doing.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", type=_reason, metavar="WORD", help="only those with this reason")
    parser.add_argument("--saga", metavar="ID", help="only those of the saga with this id")
    parser.add_argument("--topic", metavar="TOPIC", help="only those that were read from this topic")
    parser.add_argument(
        "--since", type=moment, metavar="MOMENT", help="only those put there since then: 2h, 7d, 2026-01-31T12:00:00Z"
    )


def _reason(text: str) -> str:
    """A misspelt one would find nothing, which looks like good news."""
    if text not in REASONS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(REASONS)}, got {text!r}")
    return text


def _place(text: str) -> Place:
    partition, sign, offset = text.partition("/")
    if not (sign and partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a place like 3/17, got {text!r}")
    return int(partition), int(offset)


def run(arguments: argparse.Namespace) -> int:
    """List, show, redrive or discard. Raises ``NotQuarantined`` for a place where nothing is."""
    with _opened() as quarantine:
        match arguments.action:
            case "list":
                _list(quarantine, arguments)
            case "show":
                _show(quarantine, arguments)
            case _:
                return _settle(quarantine, arguments)
    return ExitCode.OK


@contextmanager
def _opened() -> Generator[Quarantine]:
    loaded = servers.load_with_kafka()
    with closing(KafkaBroker.of(loaded)) as broker:
        yield Quarantine(broker, Topics(loaded.namespace))


def _choice(arguments: argparse.Namespace, *, places: Sequence[Place] = (), settled: bool = False) -> Choice:
    return Choice(
        places=frozenset(places) or None,
        reason=arguments.reason,
        saga_id=arguments.saga,
        topic=arguments.topic,
        since_ms=arguments.since,
        settled=settled,
    )


# ---------------------------------------------------------------- list and show


def _list(quarantine: Quarantine, arguments: argparse.Namespace) -> None:
    def age(kept: Kept) -> tuple[int, int, int]:
        return kept.quarantined.at_ms, kept.record.partition, kept.record.offset

    found = heapq.nlargest(arguments.limit, quarantine.chosen(_choice(arguments, settled=arguments.all)), age)
    if arguments.json:
        print_json([_json(each) for each in found])
    elif found:
        print_table(HEADINGS, [_row(each) for each in found])
        if len(found) == arguments.limit:
            servers.note("there may be more: add --limit, or choose with --reason, --saga, --topic, --since")
        servers.note("`saga quarantine show PLACE` has all of one; redrive it once the cause is mended, or discard it")
    else:
        servers.note("nothing like that is in quarantine")


def _show(quarantine: Quarantine, arguments: argparse.Namespace) -> None:
    quarantine.check([arguments.place])
    (kept,) = quarantine.chosen(Choice(places=frozenset([arguments.place])))
    if arguments.json:
        print_json({**_json(kept), **_contents_json(kept)})
    else:
        print("\n".join(_lines(kept)))


def _lines(kept: Kept) -> list[str]:
    found, record = kept.quarantined, kept.record
    original = kept.original
    told = {
        "place": found.place,
        "since": instant(found.at_ms),
        "reason": found.reason,
        "text": found.text,
        "read from": found.source or "nowhere: it was to be sent",
        "saga": found.saga_id,
        "redrive": original if isinstance(original, str) else f"to {original.topic}, partition {original.partition}",
        "settled": _settled_text(kept),
    }
    lines = [f"{name:<11}{text}" for name, text in told.items() if text]
    lines += ["", *(f"{name}: {_shown(value)}" for name, value in record.headers if not name.startswith("quarantine_"))]
    lines = [visible(line) for line in lines]
    return [*lines, "", "no value" if record.value is None else _shown(record.value)]


def _shown(value: bytes) -> str:
    """As text where it is some, else in hexadecimal digits."""
    text = value.decode(errors="replace")
    is_text = "\N{REPLACEMENT CHARACTER}" not in text and text.replace("\n", "").isprintable()
    return text if is_text else value.hex()


def _row(kept: Kept) -> tuple[str, ...]:
    found = kept.quarantined
    notes = [found.text, f"({settled})" if (settled := _settled_text(kept)) else ""]
    return found.place, instant(found.at_ms), found.reason, found.saga_id, found.id or found.type, " ".join(notes)


def _settled_text(kept: Kept) -> str:
    done = kept.settlement
    return "" if done is None else f"{done.manner} by {done.by} at {instant(done.at_ms)}"


def _json(kept: Kept) -> dict[str, Json]:
    found, done = kept.quarantined, kept.settlement
    return {
        "place": found.place,
        "at": instant(found.at_ms),
        "reason": found.reason,
        "text": found.text,
        "source": found.source,
        "saga_id": found.saga_id or None,
        "type": found.type or None,
        "id": found.id or None,
        "obstacle": kept.original if isinstance(kept.original, str) else None,
        "settled": None if done is None else {"manner": done.manner, "by": done.by, "at": instant(done.at_ms)},
    }


def _contents_json(kept: Kept) -> dict[str, Json]:
    """Bytes as base64, for they may be anything."""
    return {
        "headers": [[name, base64.b64encode(value).decode()] for name, value in kept.record.headers],
        "value": None if kept.record.value is None else base64.b64encode(kept.record.value).decode(),
    }


# ---------------------------------------------------------------- redrive and discard


@dataclass
class _Plan:
    """What would be done, and what cannot be."""

    action: Action
    rows: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    """The first ``SHOWN_MAX``."""
    places: list[str] = field(default_factory=list[str])
    obstacles: dict[str, str] = field(default_factory=dict[str, str])
    """Place -> why it cannot be redriven."""

    def add(self, kept: Kept) -> None:
        place, what = kept.quarantined.place, self.action
        if self.action == "redrive" and isinstance(kept.original, str):
            what = f"cannot redrive: {kept.original}"
            self.obstacles[place] = kept.original
        else:
            self.places.append(place)
        if len(self.rows) < SHOWN_MAX:
            self.rows.append((*_row(kept)[:-1], " ".join(filter(None, (what, _settled_text(kept))))))

    def print(self) -> None:
        if self.rows:
            print_table(PLANNED, self.rows)
        hidden = len(self.places) + len(self.obstacles) - len(self.rows)
        if hidden:
            servers.note(f"and {hidden} more: --json has all of them")

    def json(self, *, done: bool) -> Json:
        return {"action": self.action, "done": done, "places": [*self.places], "obstacles": {**self.obstacles}}


def _settle(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    """Say what would be done, ask, do it; status 1 when something that was chosen cannot be redriven."""
    choice, plan = _choice(arguments, places=arguments.places), _Plan(arguments.action)
    if choice == Choice():
        raise ConfigError(
            f"expected places, or one of --reason, --saga, --topic, --since, got none: `saga quarantine list` shows "
            f"what there is; `saga quarantine {plan.action} --since 7d` takes all of a week"
        )
    quarantine.check(arguments.places)
    for kept in quarantine.chosen(choice):
        plan.add(kept)
    if not arguments.json:
        plan.print()
    if plan.places:
        if not arguments.yes:
            _ask(plan, as_json=arguments.json)
        for kept in quarantine.chosen(choice):
            if kept.quarantined.place not in plan.obstacles:
                _do(quarantine, plan.action, kept, arguments.by or _somebody())
                if not arguments.json:
                    print(f"{kept.quarantined.place} {DONE[plan.action]}", flush=True)
    elif not plan.obstacles and not arguments.json:
        servers.note("nothing like that is in quarantine")
    if arguments.json:
        print_json(plan.json(done=True))
    return ExitCode.REFUSED if plan.obstacles else ExitCode.OK


def _ask(plan: _Plan, *, as_json: bool) -> None:
    """Raises ``ConfigError`` without a yes; a program is asked nothing, but shown what it would be."""
    command = f"saga quarantine {plan.action} … --yes"
    if as_json:
        print_json(plan.json(done=False))
        raise ConfigError(f"expected a yes, got none, and nothing was changed: `{command}`")
    what, they = ("1 record", "it") if len(plan.places) == 1 else (f"{len(plan.places)} records", "them")
    ask(f"{plan.action} of {what}", f"{plan.action} {they}?", command)


def _do(quarantine: Quarantine, action: Action, kept: Kept, by: str) -> None:
    if action == "redrive":
        quarantine.redrive(kept, by)
    else:
        quarantine.discard(kept, by)


def _somebody() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
