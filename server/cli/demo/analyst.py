"""The demo's analyst: a separate process that attaches to the live ledger and queries the funnel.

python -m server.cli.demo.analyst --port PORT --token-file FILE
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click

Rows = TypeVar("Rows")
QUERIES = (
    (
        "The funnel",
        "SELECT stage, sessions, under_way, dropped, round(drop_off_rate, 2) AS drop_off_rate, "
        "round(median_s, 2) AS median_s FROM v_funnel ORDER BY position",
    ),
    ("What happened", "SELECT kind, count(*) AS number FROM v_session_timeline GROUP BY kind ORDER BY kind"),
)


TRIES: Final = 8
"""How often a query is tried that only a busy machine refuses."""
PAUSE_S: Final = 5.0


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def main(port: int, token_file: Path) -> None:
    """Print the funnel of the live ledger."""
    import duckdb

    from server.analytics.client import connect
    from server.cli.output import Failure, show_table

    try:
        with connect(port, token_file.read_text(encoding="utf-8").strip(), patient=True) as connection:
            for title, query in QUERIES:
                click.echo(title)
                result = answered(partial(connection.execute, query))
                show_table([column[0] for column in result.description or ()], result.fetchall())
    except duckdb.Error as error:
        raise Failure("The endpoint for analysts did not answer.", details=str(error).splitlines()[:1]) from None


def answered(ask: Callable[[], Rows], pause: Callable[[float], None] = time.sleep) -> Rows:
    """The answer to a query, asked again while the endpoint is busy.

    Args:
        ask: Asks.
        pause: Waits so many seconds.

    Raises:
        Failure: It is refused for good, or too often.
    """
    from server.analytics.client import RefusedQuery
    from server.analytics.refusals import Cause
    from server.cli.output import Failure

    for left in reversed(range(TRIES)):
        try:
            return ask()
        except RefusedQuery as error:
            if not left or error.cause not in {Cause.BUSY, Cause.ENDED, Cause.SNAPSHOT, Cause.UNKNOWN}:
                raise Failure(error.message, reason=error.reason, hint=error.hint) from None
        pause(PAUSE_S)
    raise AssertionError("the last try returns or raises")


if __name__ == "__main__":
    main()
    sys.exit(0)
