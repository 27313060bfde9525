"""Whether the settings, and the files that they name, hold together: what a server checks before anything else."""

from __future__ import annotations

from collections.abc import Iterator

from models.errors import VestibuleError
from server.doctor.results import Finding, Situation, ok, refused, warning
from server.flows.catalogue import Flows
from server.flows.loader import load_folder, shipped_flows
from server.preflight import SETTINGS_CHECKS
from server.settings import Settings, unknown_variables

SUBJECT = "settings"


def check_setting_values(situation: Situation) -> Iterator[Finding]:
    """Run the checks of the start one after the other; each error is a line, not only the first."""
    settings, sound = situation.settings, True
    for check in (*SETTINGS_CHECKS, load_flows):
        try:
            check(settings)
        except VestibuleError as error:
            sound = False
            yield refused(SUBJECT, error)
    if sound:
        yield ok(SUBJECT, "They can be read and hold together.")
    for name, similar in unknown_variables(settings.secrets_dir).items():
        hint = f"Set {similar} instead." if similar else "Remove it; docs/reference/settings.md has all settings."
        yield warning(SUBJECT, f"{name} is no setting and is ignored.", hint)


def load_flows(settings: Settings) -> None:
    """Load the flows as a server does.

    Raises:
        InvalidInput: FLOW_INVALID or FLOW_UNKNOWN.
    """
    Flows([*shipped_flows(), *load_folder(settings.flows.folder)], settings.flows.default)
