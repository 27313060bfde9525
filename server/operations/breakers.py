"""The circuit breakers of a running server.

from server.operations import get_status
if get_status()["llm_api"]["state"] != "closed":
    ...
"""

from __future__ import annotations

from server.cli.breakers import BreakerStatus, breaker_status
from server.cli.remote import CALL_TIMEOUT_S, connected
from server.settings import prepare_process


def get_status(address: str | None = None) -> dict[str, BreakerStatus]:
    """The state of every breaker, by its name.

    Args:
        address: Host and port of the server; None takes the setting.

    Raises:
        Failure: The server does not answer, or refuses.
    """
    prepare_process()  # before gRPC is imported
    from vestibule.v1.admin_pb2 import ListBreakersRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        reply = AdminServiceStub(channel).ListBreakers(ListBreakersRequest(), timeout=CALL_TIMEOUT_S)
    return {breaker.name: breaker_status(breaker) for breaker in reply.breakers}
