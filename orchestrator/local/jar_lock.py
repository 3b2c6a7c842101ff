"""Write `jars.lock`: which jars one Kafka broker needs, with their sizes and checksums.

Run by a maintainer who moves to another Kafka (`python -m orchestrator.local.jar_lock`), never at run time: what users
download is exactly what this file says, whatever Maven Central serves on that day.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import jgo
from jgo.maven import MavenContext

from orchestrator.local.jars import LOCK_FILE, Jar

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
# A logging backend for Kafka's slf4j-api, in the same version.
LOGGING = "org.slf4j:slf4j-simple:2.0.17"


def resolve() -> list[Jar]:
    """Resolve the broker's dependencies at Maven Central and fetch each jar once for its size and checksum."""
    with tempfile.TemporaryDirectory() as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        jars: list[Jar] = []
        for artifact in jgo.resolve(f"{KAFKA}+{LOGGING}"):
            component = context.project(artifact.groupId, artifact.artifactId).at_version(artifact.version)
            content = component.artifact().resolve().read_bytes()
            jars.append(
                Jar(
                    group=artifact.groupId,
                    artifact=artifact.artifactId,
                    version=artifact.version,
                    size=len(content),
                    sha256=hashlib.sha256(content).hexdigest(),
                )
            )
        return jars


if __name__ == "__main__":
    LOCK_FILE.write_text("".join(f"{jar}\n" for jar in resolve()), encoding="utf-8")
    sys.stdout.write(f"{LOCK_FILE}\n")
