"""Flows: what an onboarding asks, checks and approves, as data that an operator writes."""
