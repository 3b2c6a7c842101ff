"""Why a server's certificate does not pass: librdkafka and libpq say that it does not, and leave out the reason."""

import socket
import ssl
from typing import Final

ANSWER_S: Final = 2.0
"""How long a server may take that has just answered."""


def fault(host: str, port: int, authorities: str | None, greeting: bytes = b"") -> str | None:
    """OpenSSL's reason, like "certificate has expired"; None: it passes, or cannot be had.

    ``authorities`` is a file in PEM, None: the system's. ``greeting`` asks for TLS, and is answered by one byte.
    """
    try:
        context = ssl.create_default_context(cafile=authorities)
        with socket.create_connection((host, port), ANSWER_S) as connection:
            if greeting:
                connection.sendall(greeting)
                connection.recv(1)
            context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:  # what is wrong besides is told by who asks
        return None
    return None
