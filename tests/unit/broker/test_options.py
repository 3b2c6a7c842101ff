"""An option that librdkafka does not know is refused with the one that was meant."""

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from orchestrator.broker.client import SECURITY_OPTIONS, made
from orchestrator.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sasl.mechanims": "PLAIN"}, '"sasl.mechanims": did you mean SAGA_KAFKA__SASL_MECHANISM?'),
        ({"ssl.ca.locations": "/ca.pem"}, '"ssl.ca.locations": did you mean SAGA_KAFKA__SSL_CA_LOCATION?'),
        ({"colour": "red"}, '"colour": check the SAGA_KAFKA__ settings'),
        ({"security.protocol": "TLS"}, 'property "security.protocol": check the SAGA_KAFKA__ settings'),
    ],
)
def test_what_librdkafka_refuses_is_named(options: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(AdminClient, {"bootstrap.servers": "localhost:1", **options})
    assert str(refused.value).startswith("expected librdkafka to take the configuration, got ")
    assert said in str(refused.value)


@pytest.mark.parametrize("option", SECURITY_OPTIONS)
def test_what_is_proposed_exists(option: str) -> None:
    refusal = ""
    try:
        AdminClient({"bootstrap.servers": "localhost:1", option: "none such"})
    except KafkaException as refused:  # of the value, by most
        refusal = str(refused)
    assert "No such configuration property" not in refusal
