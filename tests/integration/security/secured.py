"""A Kafka with TLS, SCRAM, client certificates and access rights, and a Postgres with TLS and passwords.

The administrator's listener is plain: on it everybody is the super user ``ANONYMOUS``, who is nobody elsewhere.
"""

import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import quote

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from orchestrator.local.kafka import FAST_ABORT, NODE_ID
from orchestrator.local.ports import HOST, free_port
from orchestrator.local.stack import LocalStack, StackOptions
from tests.integration.security.certificates import Authority
from tests.integration.security.tls import server_context, tls_in_front_of
from tests.servers import new_directory

LISTENERS = {
    # Each with its protocol; the names are ours.
    "SCRAM": "SASL_SSL",
    "MUTUAL": "SSL",
    # As MUTUAL, with a server's certificate that has expired.
    "EXPIRED": "SSL",
}
PATIENCE_S = 30
ANY = AclBindingFilter(
    ResourceType.ANY,
    cast("str", None),  # the annotations do not know that None is any
    ResourcePatternType.ANY,
    cast("str", None),
    cast("str", None),
    AclOperation.ANY,
    AclPermissionType.ANY,
)
ACCESS_RULES = """
host all postgres 127.0.0.1/32 trust
host all all      127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """The stack, and where its listeners are."""

    stack: LocalStack
    authority: Authority
    addresses: dict[str, str]
    """``host:port`` by listener."""
    admin: AdminClient
    """May do everything."""
    postgres_port: int
    """Of Postgres with TLS."""

    def scram(self, user: str, password: str) -> dict[str, str]:
        """The settings of a user that is made if there is none."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        change = UserScramCredentialUpsertion(user, info, password.encode(), os.urandom(16))
        self.admin.alter_user_scram_credentials([change])[user].result()
        return {
            "SAGA_KAFKA": self.addresses["SCRAM"],
            "SAGA_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
            "SAGA_KAFKA__SASL_MECHANISM": "SCRAM-SHA-256",
            "SAGA_KAFKA__SASL_USERNAME": user,
            "SAGA_KAFKA__SASL_PASSWORD": password,
            "SAGA_KAFKA__SSL_CA_LOCATION": str(self.authority.file),
        }

    def grant(self, rights: Sequence[AclBinding]) -> None:
        """Returns when the broker knows of all of them, which is a little after the controller does."""
        for made in self.admin.create_acls(list(rights)).values():
            made.result()
        until = time.monotonic() + PATIENCE_S
        while set(rights) - set(self.admin.describe_acls(ANY).result()):
            assert time.monotonic() < until, "the broker did not hear of its access rights"

    def revoke(self, user: str, name: str) -> list[AclBinding]:
        """Take away all rights of ``user`` on ``name``; returns them when the broker knows that they are gone."""
        chosen = AclBindingFilter(
            ResourceType.ANY,
            name,
            ResourcePatternType.ANY,
            f"User:{user}",
            cast("str", None),
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        gone = list(self.admin.delete_acls([chosen])[chosen].result())
        until = time.monotonic() + PATIENCE_S
        while set(gone) & set(self.admin.describe_acls(ANY).result()):
            assert time.monotonic() < until, "the broker did not hear of the rights that are gone"
        return gone

    def mutual(self, user: str, *, expired: bool = False) -> dict[str, str]:
        """The settings of a user who has a certificate."""
        certificate, key = self.authority.issue(user, expired=expired)
        return {
            "SAGA_KAFKA": self.addresses["MUTUAL"],
            "SAGA_KAFKA__SECURITY_PROTOCOL": "SSL",
            "SAGA_KAFKA__SSL_CERTIFICATE_LOCATION": str(certificate),
            "SAGA_KAFKA__SSL_KEY_LOCATION": str(key),
            "SAGA_KAFKA__SSL_CA_LOCATION": str(self.authority.file),
        }

    def database(self, user: str, password: str, name: str = "saga", *, port: int | None = None) -> str:
        """A URL of the database ``name`` that takes no server without the authority's certificate."""
        return (
            f"postgresql://{user}:{quote(password)}@{HOST}:{port or self.postgres_port}/{name}"
            f"?sslmode=verify-full&sslrootcert={self.authority.file}"
        )


@contextmanager
def secured_stack() -> Generator[Secured]:
    """Started and stopped with the block."""
    with new_directory() as directory:
        authority = Authority(directory)
        plain, controller, *ports = (free_port() for _ in range(2 + len(LISTENERS)))
        addresses = {name: f"{HOST}:{port}" for name, port in zip(LISTENERS, ports, strict=True)}
        options = StackOptions(
            kafka_port=plain,
            kafka_settings=_kafka_settings(authority, addresses, plain, controller),
            postgres_settings=_postgres_settings(authority),
        )
        directory.chmod(0o755)
        with (
            LocalStack(directory / "stack", options) as stack,
            tls_in_front_of(stack.postgres.port, server_context(*authority.issue("postgres"))) as port,
        ):
            yield Secured(
                stack, authority, addresses, AdminClient({"bootstrap.servers": stack.kafka, "log_level": 0}), port
            )


def _kafka_settings(authority: Authority, addresses: dict[str, str], plain: int, controller: int) -> dict[str, str]:
    advertised = {"PLAINTEXT": f"{HOST}:{plain}", **addresses}
    listening = {**advertised, "CONTROLLER": f"{HOST}:{controller}"}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **LISTENERS}
    settings = {
        **FAST_ABORT,
        "group.min.session.timeout.ms": "1000",
        "listeners": ",".join(f"{name}://{address}" for name, address in listening.items()),
        "advertised.listeners": ",".join(f"{name}://{address}" for name, address in advertised.items()),
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller}",
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256",
        "listener.name.scram.scram-sha-256.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.expired.ssl.client.auth": "required",
    }
    stores = {name: _key_store(authority, f"kafka-{name.lower()}", expired=name == "EXPIRED") for name in LISTENERS}
    for name, file in stores.items():
        settings[f"listener.name.{name.lower()}.ssl.keystore.type"] = "PEM"
        settings[f"listener.name.{name.lower()}.ssl.keystore.location"] = str(file)
    return settings


def _key_store(authority: Authority, name: str, *, expired: bool) -> Path:
    certificate, key = authority.issue(name, expired=expired)
    store = authority.folder / f"{name}.store.pem"
    store.write_bytes(key.read_bytes() + certificate.read_bytes())
    return store


def _postgres_settings(authority: Authority) -> dict[str, str]:
    rules = authority.folder / "pg_hba.conf"
    rules.write_text(ACCESS_RULES)
    return {"hba_file": str(rules)}
