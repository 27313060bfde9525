"""Tests of the ledger with DuckDB 2, which `make duckdb2` runs."""
