"""Alerts about dead letters of critical kinds, by webhook and e-mail. They hold ids and reasons, nothing personal."""
