"""What scripts of operators call on a running server, from Python. Credentials and address are those of the commands.

A failure raises ``server.cli.output.Failure``, with the attributes ``message``, ``reason`` and ``hint``.
"""

from server.operations.breakers import get_status

__all__ = ["get_status"]
