"""The DuckDB file, its writer and its live endpoint."""
