"""What a client refuses before it connects to anything."""

from decimal import Decimal
from typing import Any, cast

import pytest

from orchestrator.client.client import Client
from orchestrator.settings import Settings
from tests.unit.client import sagas


def test_a_name_in_the_place_of_a_saga_is_refused_with_the_way_to_start_by_name() -> None:
    client = Client(Settings(kafka="127.0.0.1:1"))
    with pytest.raises(TypeError, match="expected a function with @saga, got 'order': .* start_named"):
        client.submit(cast("Any", "order"), {})


def test_a_closed_client_is_refused_and_does_not_connect_again() -> None:
    with Client(Settings(kafka="127.0.0.1:1")) as client:
        pass
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.start(sagas.purchase, sagas.Order(amount=Decimal(1)))
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.cancel("s")
