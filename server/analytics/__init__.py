"""Read-only SQL for analysts, and the funnel report."""
