"""Events and the report."""
