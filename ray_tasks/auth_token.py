"""Ray's token. Without it no process of a cluster takes a call; whoever has it can run code in the workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import grpc
from ray._common.tls_utils import load_certs_from_env
from ray._private.authentication.authentication_token_generator import generate_new_authentication_token
from ray._private.authentication.authentication_token_setup import enable_token_auth_by_default
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]  # a native module without a stub

from models.errors import InvalidInput, Unavailable
from models.private_files import read_or_create
from models.reasons import Reason

FILE: Final = "ray.token"

_PATH: Final = "RAY_AUTH_TOKEN_PATH"
_PROBE: Final = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_PROBE_S: Final = 5.0


class LocalToken:
    """The token of a local cluster, in a private file of the state folder.

    Ray would make one in the home folder that all users can read. It takes this one, and so do the processes that it
    starts, unless RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH name another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours = False

    def use(self) -> None:
        """Make the token, and have Ray use it.

        Raises:
            InvalidInput: RAY_WITHOUT_TOKEN, the environment turns the token off.
        """
        read_or_create(self._path, generate_new_authentication_token().encode())
        self._ours = os.environ.setdefault(_PATH, str(self._path)) == str(self._path)
        AuthenticationTokenLoader.instance().reset_cache()
        if not enable_token_auth_by_default():
            raise InvalidInput(
                "RAY_AUTH_MODE turns Ray's token off.",
                reason=Reason.RAY_WITHOUT_TOKEN,
                hint="Unset RAY_AUTH_MODE: with the token off, every user of this machine can run code in the workers.",
            )

    def forget(self) -> None:
        """Let Ray look for a token elsewhere again."""
        if self._ours:
            os.environ.pop(_PATH, None)


def require_token(address: str) -> None:
    """Check that a cluster takes no call without a token, by a call without one.

    Raises:
        InvalidInput: RAY_WITHOUT_TOKEN, it does.
        Unavailable: It does not answer.
    """
    code = _answer(grpc.insecure_channel(address))
    if code is grpc.StatusCode.UNAVAILABLE:
        code = _answer_with_tls(address)
    if code is grpc.StatusCode.OK:
        raise InvalidInput(
            "The Ray cluster asks for no token, so whoever reaches it can run code in the workers.",
            reason=Reason.RAY_WITHOUT_TOKEN,
            hint="Start the cluster with RAY_AUTH_MODE=token, or set VESTIBULE_RAY__ALLOW_NO_TOKEN=true.",
        )
    if code is not grpc.StatusCode.UNAUTHENTICATED:
        raise Unavailable(
            f"The Ray cluster does not say whether it asks for a token ({code.name}).",
            reason=Reason.CLUSTER_UNAVAILABLE,
        )


def _answer_with_tls(address: str) -> grpc.StatusCode:
    try:
        chain, key, ca = load_certs_from_env()  # type: ignore[no-untyped-call]
    except RuntimeError:  # Ray is to use no TLS
        return grpc.StatusCode.UNAVAILABLE
    return _answer(grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, chain)))


def _answer(channel: grpc.Channel) -> grpc.StatusCode:
    with channel:
        try:
            channel.unary_unary(_PROBE, None, None)(b"", timeout=_PROBE_S)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK
