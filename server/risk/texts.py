"""What is said of the features that raise a risk, from ``texts.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

from models.strict_yaml import load_strictly
from server.funnel.texts import ReportTexts
from server.languages.formats import Formats
from server.risk.features import FEATURES
from server.risk.properties import Value, is_property, property_key

_ENGLISH = Formats("en")

Text = Annotated[str, StringConstraints(max_length=200, strip_whitespace=True)]


class FeatureText(BaseModel):
    """What is said of a feature.

    Attributes:
        label: What it is called; empty takes the label of the funnel report.
        unit: After the value.
        help: What an app may do about it now; empty for nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Text = ""
    unit: Literal["", "s", "times", "%"] = ""
    help: Text = ""


@cache
def _texts() -> Mapping[str, FeatureText]:
    given = load_strictly(files(__package__).joinpath("texts.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(Mapping[str, FeatureText]).validate_python(given)


class RiskTexts:
    """The texts of all features.

    Args:
        report: Texts of the funnel report.
    """

    def __init__(self, report: ReportTexts) -> None:
        self._texts = _texts()
        self._report = report

    def reason(self, feature: str, value: Value) -> str:
        """A feature with its value, such as ``an upload was refused: 2 times``."""
        if is_property(feature):
            return f"{property_key(feature)}: {_ENGLISH.figure(value) if isinstance(value, float) else value}"
        text = self._texts[feature]
        label = text.label or self._report.of_cause([feature]).label
        if value is None:
            return f"{label}: unknown"
        if FEATURES[feature] == "text":
            return f"{label}: {value}"
        unit = "time" if text.unit == "times" and value == 1 else text.unit
        return f"{label}: {_ENGLISH.figure(float(value))} {unit}".strip()

    def help(self, feature: str) -> str:
        """What an app may do about a feature now; empty for nothing."""
        return "" if is_property(feature) else self._texts[feature].help
