"""The demo's analyst: a separate process that attaches to the live ledger and queries the funnel.

python -m server.cli.demo.analyst --port PORT --token-file FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

QUERIES = (
    (
        "The funnel",
        "SELECT stage, sessions, under_way, dropped, round(drop_off_rate, 2) AS drop_off_rate, "
        "round(median_s, 2) AS median_s FROM v_funnel ORDER BY position",
    ),
    ("What happened", "SELECT kind, count(*) AS number FROM v_session_timeline GROUP BY kind ORDER BY kind"),
)


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def main(port: int, token_file: Path) -> None:
    """Print the funnel of the live ledger."""
    from server.analytics.client import connect
    from server.cli.output import show_table

    connection = connect(port, token_file.read_text(encoding="utf-8").strip())
    for title, query in QUERIES:
        click.echo(title)
        result = connection.execute(query)
        show_table([column[0] for column in result.description or ()], result.fetchall())
    connection.close()


if __name__ == "__main__":
    main()
    sys.exit(0)
