"""Why no connection to a server comes about: a second handshake tells what gRPC's message does not.

gRPC reports a wrong CA, an expired certificate and a server without TLS as "unavailable", with texts that change.
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

from models.reasons import Reason
from server.cli.client_tls import ClientTls
from server.cli.output import Failure
from server.validators import host_and_port

TIMEOUT_S: Final = 5.0
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _CERT_NOT_YET_VALID, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH."""


def tls_problem(target: str, tls: ClientTls | None) -> Failure | None:
    """What is wrong with the TLS of a connection that failed; None if it is something else.

    Args:
        target: Host and port of the server.
        tls: How it was tried; None means in plain text.
    """
    host, port = host_and_port(target)
    try:
        with socket.create_connection((host.strip("[]"), port), TIMEOUT_S) as plain:
            return _without_tls(plain, target) if tls is None else _with_tls(plain, target, host.strip("[]"), tls)
    except OSError:
        return None  # nobody listens there


def _without_tls(plain: socket.socket, target: str) -> Failure | None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # only asks whether TLS is spoken; sends nothing
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(plain):
            pass
    except OSError:
        return None
    return Failure(
        f"The server at {target} speaks TLS only.",
        reason=Reason.TLS_REQUIRED,
        hint="Give the CA of its certificate with --tls-ca or VESTIBULE_CLIENT__CA, and leave --plaintext out.",
    )


def _with_tls(plain: socket.socket, target: str, host: str, tls: ClientTls) -> Failure | None:
    context = ssl.create_default_context(cadata=tls.roots.decode("ascii", "ignore") if tls.roots else None)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as gRPC does: any trusted certificate may end the chain
    context.set_alpn_protocols(["h2"])
    name = tls.server_name or host
    try:
        with context.wrap_socket(plain, server_hostname=name) as secure:
            greeted = _greeted(secure)
    except ssl.SSLCertVerificationError as error:
        return _distrusted(error.verify_code, target, name)
    except ssl.SSLError as error:
        return _no_tls(target) if error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"} else None
    if greeted:
        return None
    return Failure(
        f"The server at {target} wants a client certificate of a CA that it trusts.",
        reason=Reason.TLS_CLIENT_CERTIFICATE_REFUSED,
        hint="Set VESTIBULE_CLIENT__CERTIFICATE and VESTIBULE_CLIENT__KEY, which the operator gives.",
    )


def _greeted(secure: ssl.SSLSocket) -> bool:
    """Whether the server begins HTTP/2, as it does by itself once it accepts a connection."""
    try:
        return bool(secure.recv(1))
    except TimeoutError:
        return True  # it may be slow; nothing says that it refuses
    except OSError:
        return False


def _distrusted(code: int, target: str, name: str) -> Failure:
    if code in {_EXPIRED, _NOT_YET_VALID}:
        return Failure(
            f"The certificate of {target} {'has expired' if code == _EXPIRED else 'is not valid yet'}.",
            reason=Reason.TLS_CERTIFICATE_EXPIRED,
            hint="The operator must renew it. Check the clock of this machine too.",
        )
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return Failure(
            f"The certificate of {target} was not issued for {name}.",
            reason=Reason.TLS_NAME_MISMATCH,
            hint="Use a name that is in the certificate as the address, or set VESTIBULE_CLIENT__SERVER_NAME to it.",
        )
    return Failure(
        f"The certificate of {target} comes from a CA that is not trusted here.",
        reason=Reason.TLS_CERTIFICATE_UNTRUSTED,
        hint="Get the CA's certificate from the operator, and give it with --tls-ca or VESTIBULE_CLIENT__CA.",
    )


def _no_tls(target: str) -> Failure:
    return Failure(
        f"The server at {target} does not speak TLS.",
        reason=Reason.TLS_NOT_SPOKEN,
        hint="Turn it on there, with VESTIBULE_TLS__CERTIFICATE; or say --plaintext, and others may listen.",
    )
