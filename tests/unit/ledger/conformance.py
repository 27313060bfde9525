"""Which tests of the ledger run on both engines. Every test module of this folder is on one of the three lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BOTH: Final[Mapping[str, Mapping[str, str]]] = {
    "test_sessions": {},
    "test_jobs": {
        "test_a_new_process_takes_over_leased_jobs": "with several servers only leases that ran out are taken over; "
        "see test_postgres_claims",
    },
    "test_session_history": {},
    "test_rows": {
        "test_turns_count_in_their_session_once": "reads a view",
        "test_the_timeline_lists_every_kind_of_row": "reads a view",
        "test_events_of_apps_take_client_and_variant_from_the_session": "app_events is still to do",
        "test_append_events_stores_each_id_once": "app_events is still to do",
        "test_an_event_id_of_one_client_does_not_stand_for_that_of_another": "app_events is still to do",
    },
    "test_audit_rows": {},
    "test_postgres_cursor": {},
    "test_writer": {
        "test_after_a_failed_commit_the_writes_are_committed_one_by_one": "fails as a disk of DuckDB does; see "
        "test_postgres_ledger",
        "test_a_full_queue_refuses": "the queue is the same",
        "test_close_finishes_waiting_writes_and_refuses_new_ones": "looks at the file",
        "test_only_the_owner_may_read_the_files": "looks at the file",
        "test_a_second_server_is_told_to_take_other_folders": "looks at the file",
        "test_a_file_that_is_not_a_ledger_is_refused": "looks at the file",
        "test_translated_errors_do_not_quote_duckdb": "errors of DuckDB; see test_postgres_ledger",
    },
    "test_flows": {"test_a_version_may_change_until_a_session_has_it": "reads a view"},
    "test_guided_sessions": {
        "test_a_talk_becomes_events_that_a_funnel_counts": "reads a macro",
        "test_analysts_see_choices_and_numbers_and_no_words": "reads a view",
    },
}
"""Test modules that run on both, each with those of its tests that stay on DuckDB, and why."""

TO_DO: Final = {
    "test_app_events": "app_events and event_counts catch an error of DuckDB and go on with RunAgain",
    "test_device_clock": "the shifts of app_events",
    "test_event_ids": "opens a whole ledger, and reads a macro",
    "test_daily_events": "daily_events groups with GROUP BY ALL, and its test reads a view",
}
"""Test modules of operational code that does not run on PostgreSQL yet, and what is missing."""

EMBEDDED: Final = frozenset(
    {
        "test_checkpoints",
        "test_connection",
        "test_durability",
        "test_half_made",
        "test_long_reads",
        "test_migrations",
        "test_open_rewrite",
        "test_rewrite",
        "test_tables",
    }
)
"""Test modules about the file of DuckDB, and about what analysts see in it."""

NO_ENGINE: Final = frozenset(
    {
        "test_conformance",
        "test_postgres_claims",
        "test_postgres_ledger",
        "test_postgres_locks",
        "test_postgres_schema",
        "test_record_text",
        "test_write_queue",
    }
)
"""Test modules that need no engine, or are about PostgreSQL alone."""


def engines_of(module: str, test: str) -> tuple[str, ...]:
    """The engines that a test runs on; the module without its package, the test without parameters."""
    return ("duckdb", "postgresql") if module in BOTH and test not in BOTH[module] else ("duckdb",)
