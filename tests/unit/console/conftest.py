"""The model of the risk, learnt once for all tests of the console."""

from tests.unit.risk.conftest import model, past

__all__ = ["model", "past"]
