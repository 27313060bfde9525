"""Which tests of the ledger run on both engines. Every test module of this folder is on one of the three lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_STATEMENTS: Final = "counts statements: PostgreSQL has one more for locks, and one for ids that are known"

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
    },
    "test_app_events": {
        "test_a_batch_costs_the_same_statements_whatever_its_number_of_sessions": _STATEMENTS,
        "test_wrong_clocks_of_500_sessions_cost_one_statement_more_and_three_where_a_shift_grows": _STATEMENTS,
        "test_a_session_that_no_event_comes_before_costs_no_statement_more": _STATEMENTS,
        "test_the_opening_of_a_session_is_placed_at_the_first_event_that_a_slow_clock_puts_before_it": "reads a view",
        "test_a_clock_that_is_off_loses_no_session_from_a_funnel_of_a_stage_and_events": "reads a macro",
        "test_a_batch_that_is_not_committed_is_not_counted": "begins and rolls back",
        "test_events_are_in_the_order_in_which_the_app_counted_them": "reads a macro",
        "test_uncounted_events_of_one_time_are_in_the_order_of_their_receipt_and_ids": "reads a macro",
    },
    "test_append_order": {
        "test_a_timeline_has_events_of_the_same_time_in_the_order_of_writing": "reads a macro",
    },
    "test_device_clock": {},
    "test_speech_models": {"test_analysts_see_both_texts_unless_the_redactor_does_not_vouch_for_them": "reads a view"},
    "test_daily_events": {"test_deleting_events_changes_no_count": "reads a view"},
    "test_operational_rows": {},
    "test_audit_rows": {},
    "test_postgres_cursor": {},
    "test_writer": {
        "test_after_a_failed_commit_the_writes_are_committed_one_by_one": "fails as a disk of DuckDB does; see "
        "test_postgres_ledger",
        "test_waiting_writes_share_a_commit": "each write has a transaction of its own; see PostgresLedger",
        "test_writes_of_many_rows_share_the_commit_of_one_that_is_open": "as waiting writes",
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

EMBEDDED: Final = frozenset(
    {
        "test_checkpoints",
        "test_connection",
        "test_durability",
        "test_half_made",
        "test_integrity",
        "test_long_reads",
        "test_migrations",
        "test_older_ledgers",
        "test_open_rewrite",
        "test_opened",
        "test_rewrite",
        "test_tables",
    }
)
"""Test modules about the file of DuckDB, and about what analysts see in it."""

NO_ENGINE: Final = frozenset(
    {
        "test_claim_order",
        "test_conformance",
        "test_copy_in",
        "test_event_ids",
        "test_postgres_claims",
        "test_mirrored",
        "test_several_mirrors",
        "test_postgres_integrity",
        "test_postgres_lanes",
        "test_postgres_ledger",
        "test_postgres_notices",
        "test_postgres_locks",
        "test_postgres_rewrite",
        "test_postgres_safety",
        "test_postgres_schema",
        "test_record_text",
        "test_write_queue",
    }
)
"""Test modules that need no engine, or are about PostgreSQL alone."""


def engines_of(module: str, test: str) -> tuple[str, ...]:
    """The engines that a test runs on; the module without its package, the test without parameters."""
    return ("duckdb", "postgresql") if module in BOTH and test not in BOTH[module] else ("duckdb",)
