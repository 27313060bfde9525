"""The remote LLM: adapter, breaker, fallback."""
