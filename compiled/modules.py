"""Which modules are compiled. A name that ends with ``.*`` is every module of that package, also one added later."""

from pathlib import Path
from typing import Final

GROUPS: Final = {
    "deciding: all of it runs for each input": (
        "orchestrator.engine.*",
        "orchestrator.shard.decider",
        "orchestrator.shard.intake",
        "orchestrator.shard.limits",
        "orchestrator.shard.sagas",
    ),
    "data and their expressions, which decisions are made of": (
        "orchestrator.blueprint.arithmetic",
        "orchestrator.blueprint.decimals",
        "orchestrator.blueprint.evaluation",
        "orchestrator.blueprint.expression",
        "orchestrator.blueprint.ids",
        "orchestrator.blueprint.text",
        "orchestrator.blueprint.values",
    ),
    "batches, from decisions to rows and records": (
        "orchestrator.shard.batch",
        "orchestrator.shard.records",
        "orchestrator.store.port",
    ),
    "what is on the wire: every record is read or written by these": (
        "orchestrator.wire.avro",
        "orchestrator.wire.body",
        "orchestrator.wire.chain",
        "orchestrator.wire.command",
        "orchestrator.wire.composite",
        "orchestrator.wire.headers",
        "orchestrator.wire.journal",
        "orchestrator.wire.outbox",
        "orchestrator.wire.outcome",
        "orchestrator.wire.record",
        "orchestrator.wire.reply",
        "orchestrator.wire.request",
        "orchestrator.wire.scalar",
        "orchestrator.wire.shape",
        "orchestrator.wire.tree",
    ),
    "a participant's answer to one command": (
        "orchestrator.definition.conversion",
        "orchestrator.definition.leaves",
        "orchestrator.participant.answering",
        "orchestrator.participant.handler_exchange",
    ),
}
"""What each group is for, and its modules. A module that gains nothing by it stays out."""


def compiled_modules(root: Path) -> list[str]:
    """The names of those under ``root``, sorted. Raises ``ValueError`` for one that is not there."""
    found = {module for names in GROUPS.values() for name in names for module in _named(root, name)}
    return sorted(found)


def source_of(root: Path, module: str) -> Path:
    """The file of a module."""
    return root.joinpath(*module.split(".")).with_suffix(".py")


def _named(root: Path, name: str) -> list[str]:
    package = name.removesuffix(".*")
    if package != name:
        found = [path.stem for path in source_of(root, package).with_suffix("").glob("*.py") if path.stem != "__init__"]
        modules = [f"{package}.{stem}" for stem in found]
    else:
        modules = [name] if source_of(root, name).is_file() else []
    if not modules:
        raise ValueError(
            f"expected the modules of compiled/modules.py under {root}, got none for {name}: mend the list"
        )
    return modules
