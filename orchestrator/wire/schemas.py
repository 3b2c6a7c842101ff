"""The Avro schemas of the orchestrator's own records, as they stand in ``schemas/``."""

import json
from functools import cache
from importlib.resources import files
from typing import Final, cast

from orchestrator.blueprint.model import Json

NAMES: Final = ("entry", "failure", "footer", "outbox_record", "outcome", "request")


@cache
def own_schema(name: str) -> Json:
    """The schema in ``schemas/{name}.avsc``: in a wheel a folder of the package, in a checkout a link leads to it."""
    text = files("orchestrator").joinpath("schemas", f"{name}.avsc").read_text(encoding="utf-8")
    return cast("Json", json.loads(text))
