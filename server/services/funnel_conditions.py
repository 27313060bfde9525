"""The conditions of a cause as messages, and back."""

from __future__ import annotations

from vestibule.v1.funnel_pb2 import FunnelFeatureCondition, FunnelFeatureRange

from server.funnel.types import Condition


def condition_message(condition: Condition) -> FunnelFeatureCondition:
    """A condition as a message.

    Raises:
        ValueError: It is that a value is unknown. A report on a ledger has no such condition: there they are gaps.
    """
    feature, operator, value = condition.feature, condition.operator, condition.value
    if operator in {"is", "not"}:
        return FunnelFeatureCondition(feature=feature, flag=operator == "is")
    if isinstance(value, str):
        return FunnelFeatureCondition(feature=feature, text=value)
    if value is None:
        raise ValueError("No message says that a value is unknown.")
    if isinstance(value, tuple):
        return FunnelFeatureCondition(feature=feature, range=FunnelFeatureRange(above=value[0], at_most=value[1]))
    if operator == ">":
        return FunnelFeatureCondition(feature=feature, range=FunnelFeatureRange(above=value))
    if operator == "<=":
        return FunnelFeatureCondition(feature=feature, range=FunnelFeatureRange(at_most=value))
    return FunnelFeatureCondition(feature=feature, number=value)


def condition_of(message: FunnelFeatureCondition) -> Condition:
    """A message as a condition."""
    match message.WhichOneof("holds"):
        case "text":
            return Condition(message.feature, "=", message.text)
        case "number":
            return Condition(message.feature, "=", message.number)
        case "range":
            return _of_range(message.feature, message.range)
        case _:
            return Condition(message.feature, "is" if message.flag else "not")


def _of_range(feature: str, bounds: FunnelFeatureRange) -> Condition:
    if not bounds.HasField("above"):
        return Condition(feature, "<=", bounds.at_most)
    if not bounds.HasField("at_most"):
        return Condition(feature, ">", bounds.above)
    return Condition(feature, "in", (bounds.above, bounds.at_most))
