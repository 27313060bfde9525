"""Asks a Ray cluster which release it runs, without joining it. Run as a module; prints one JSON document.

Arguments: the address, and ``--token`` if the cluster must ask for a token.
"""

from __future__ import annotations

import json
import sys

from ray._common.usage.usage_lib import get_cluster_metadata
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # a native module without a stub
from ray.exceptions import AuthenticationError, RayError

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from ray_tasks.auth_token import require_token


def cluster_versions(address: str, *, needs_token: bool) -> dict[str, str]:
    """The releases of Ray and of Python that a cluster runs: ``ray`` and ``python``.

    Args:
        address: ``host:port`` of its head.
        needs_token: Whether to refuse a cluster that takes calls without a token.

    Raises:
        InvalidInput: RAY_WITHOUT_TOKEN.
        Unavailable: CLUSTER_UNAVAILABLE, it does not answer, or the token is not its own.
    """
    if needs_token:
        require_token(address)
    try:
        found = get_cluster_metadata(GcsClient(address=address))
    except AuthenticationError as exc:
        raise Unavailable(
            "The Ray cluster refuses the token.",
            reason=Reason.CLUSTER_UNAVAILABLE,
            hint="Name the file of its token in RAY_AUTH_TOKEN_PATH; `ray get-auth-token` prints it on the cluster.",
        ) from exc
    except (RayError, RuntimeError, AttributeError) as exc:  # the last where it knows nothing of itself
        raise Unavailable("The Ray cluster does not answer.", reason=Reason.CLUSTER_UNAVAILABLE) from exc
    return {"ray": found["ray_version"], "python": found["python_version"]}


def main(address: str, *options: str) -> None:
    """Write what the cluster says, or why it does not."""
    try:
        told = cluster_versions(address, needs_token="--token" in options)
    except VestibuleError as error:
        told = {"reason": str(error.reason), "message": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
