"""What a database says that it is, and whether that is what somebody expects."""

from collections.abc import Sequence
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.store.port import FORMAT, Meta


def meta_of(row: Sequence[Any] | None, where: str) -> Meta:
    """The row of ``saga.meta`` in the database ``where``. Raises ``ConfigError`` when there is none."""
    if row is None:
        raise ConfigError(
            f"expected one row in saga.meta at {where}, got none: it was deleted by hand; restore the database from a "
            f"backup, or point SAGA_DATABASE to the right one"
        )
    return Meta(*row)


def check_meta(meta: Meta, namespace: str, shards: int) -> None:
    """Raise ``ConfigError`` unless the database is this namespace's, with this number of shards and this format."""
    check_namespace(meta, namespace)
    if meta.shards != shards:
        raise ConfigError(
            f"expected {shards} shards (SAGA_SHARDS), got a database made for {meta.shards}: the number is fixed for a "
            f"namespace; set SAGA_SHARDS={meta.shards}, or use a new namespace and let this one drain"
        )
    check_format(meta)


def check_namespace(meta: Meta, namespace: str) -> None:
    """Raise ``ConfigError`` unless the database is this namespace's."""
    if meta.namespace != namespace:
        raise ConfigError(
            f"expected the database of namespace {namespace!r} in SAGA_DATABASE, got that of {meta.namespace!r}: "
            f"set SAGA_NAMESPACE={meta.namespace}, or give {namespace!r} a database of its own"
        )


def check_format(meta: Meta) -> None:
    """Raise ``ConfigError`` unless this version's tables are in the database."""
    if meta.format > FORMAT:
        raise ConfigError(
            f"expected tables of format {FORMAT} or older, got {meta.format}: a newer version has upgraded this "
            f"database; run that version"
        )
    if meta.format < FORMAT:
        raise ConfigError(f"expected tables of format {FORMAT}, got {meta.format}: run `saga migrate`")
