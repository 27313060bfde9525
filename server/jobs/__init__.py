"""Background jobs: retries, dead letters and the handlers of each kind."""
