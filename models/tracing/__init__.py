"""Spans of OpenTelemetry that cannot hold what a person said, typed or photographed."""
