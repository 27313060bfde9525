"""Which engines run the SQL of each module of ``server.ledger``. A new module with SQL must be on one of the lists."""

from __future__ import annotations

from typing import Final

BOTH: Final = frozenset(
    {
        "answers",
        "api_keys",
        "app_events",
        "audit",
        "breakers",
        "claims",
        "columns",
        "daily_events",
        "dead_letters",
        "erasure",
        "event_counts",
        "event_declarations",
        "events",
        "flows",
        "job_attempts",
        "job_ends",
        "job_order",
        "jobs",
        "letter_filter",
        "letter_operations",
        "model_comparisons",
        "needed_media",
        "owners",
        "participants",
        "picture_labels",
        "picture_lines",
        "recommendations",
        "redactions",
        "retention",
        "reviews",
        "reviews_decisions",
        "reviews_list",
        "sealed_values",
        "server_events",
        "servers",
        "sessions",
        "speech_models",
        "stored_texts",
        "streams",
        "tag_numbers",
        "turns",
        "upload_attempts",
        "uploads",
        "vocabularies",
        "waiting_jobs",
        "weekly_reports",
    }
)
"""What servers run. A test module that runs on both engines imports each, or what it imports does."""

SCHEMA: Final = frozenset({"migrate", "reviews_schema", "schema_changes", "table_schema"})
"""Tables and their migrations; ``test_postgres_schema`` runs them on both."""

POSTGRESQL: Final = frozenset({"claim_locks", "lane_heads", "dialects", "locks", "transactional"})
"""Claims and locks that one writer does not need, and a question whether PostgreSQL is there."""

ANALYSTS: Final = frozenset(
    {
        "event_views",
        "funnel_macros",
        "funnel_paths",
        "funnel_steps",
        "funnel_values",
        "funnel_view",
        "macro_views",
        "macros",
        "return_visits",
        "step_cohorts",
        "turn_views",
        "views",
    }
)
"""Views and macros, which analysts read in DuckDB."""

EMBEDDED: Final = frozenset({"checkpoints", "connection", "copied", "mirrored", "open_file", "rewrite"})
"""About the file of DuckDB."""
