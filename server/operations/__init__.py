"""What scripts of operators call on a running server, from Python. Credentials and address are those of the commands.

A failure raises ``server.cli.output.Failure``, with the attributes ``message``, ``reason`` and ``hint``.
"""

from server.operations.breakers import get_status
from server.operations.dead_letters import clear_older_than, list_letters, retry_letters

__all__ = ["clear_older_than", "get_status", "list_letters", "retry_letters"]
