"""Restricts the addresses on which Ray's processes listen."""

from __future__ import annotations

import os
import socket
from typing import Any, Final

from ray._common import tls_utils
from ray._private import ray_constants, services
from ray._raylet import build_address, node_ip_address_from_perspective  # type: ignore[attr-defined]  # a native module without a stub
from ray.serve._private import replica

LOOPBACK: Final = "127.0.0.1"
PROBE_S: Final = 1.0


def keep_cluster_on_loopback() -> None:
    """Make every process of a cluster that this process starts listen on loopback only.

    By default Ray gives a node the address of the network, even if 127.0.0.1 is requested, so that other machines can
    join. Its processes then listen on all addresses. Ray's switch for that is turned off here. Child processes read it
    from the environment; without it the dashboard looks for the cluster at the network's address. The switch must stay
    on to join a cluster of another machine, and must be off to join a local one that was started this way.
    """
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False


def turn_exporters_off() -> None:
    """Make Ray's own exporters of metrics not start. They have no switch, and they answer without the token.

    They take a port from the environment. This one does not exist, so they fail, and Ray goes on without them.
    """
    no_port = "65536"
    os.environ.update(DASHBOARD_METRIC_PORT=no_port, AUTOSCALER_METRIC_PORT=no_port)


def is_on_loopback_alone(address: str) -> bool:
    """Whether the cluster at ``host:port`` is a local one that another server bound to loopback."""
    host, _, port = address.rpartition(":")
    if host != LOOPBACK:
        return False
    try:
        with socket.create_connection((node_ip_address_from_perspective(""), int(port)), timeout=PROBE_S):
            return False
    except OSError:
        return True


def bind_replica_to_node_address() -> None:
    """Make the gRPC server of this Serve replica listen only on the address of its Ray node.

    Serve binds it to all addresses and has no option to change that. It starts the server after the deployment's
    constructor, so call this in the constructor. Other replicas connect to the node's address anyway.
    """
    node_address = services.get_node_ip_address()  # type: ignore[no-untyped-call]  # Ray has no annotations here

    def add_port(server: Any, _all_addresses: str) -> int:
        port: int = tls_utils.add_port_to_grpc_server(server, build_address(node_address, 0))  # type: ignore[no-untyped-call]
        return port

    vars(replica)["add_port_to_grpc_server"] = add_port
