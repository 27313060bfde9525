"""All checks, in the order of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.doctor.certificates import check_certificates
from server.doctor.disks import check_disks
from server.doctor.folders import check_folders
from server.doctor.ledger import check_ledger
from server.doctor.machine import check_machine
from server.doctor.malware_scanner import check_malware_scanner
from server.doctor.other_servers import check_other_servers
from server.doctor.ports import check_ports
from server.doctor.private_files import check_private_files
from server.doctor.ray_version import check_ray
from server.doctor.results import Check
from server.doctor.setting_values import check_setting_values
from server.doctor.system_time import check_system_time
from server.doctor.weights import check_weights


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """A check, and what it is called when it fails as a whole."""

    name: str
    look: Check


CHECKS: Final = (
    NamedCheck("settings", check_setting_values),
    NamedCheck("ports", check_ports),
    NamedCheck("folders", check_folders),
    NamedCheck("disks", check_disks),
    NamedCheck("memory and cores", check_machine),
    NamedCheck("weights", check_weights),
    NamedCheck("keys", check_private_files),
    NamedCheck("certificates", check_certificates),
    NamedCheck("ledger", check_ledger),
    NamedCheck("clock", check_system_time),
    NamedCheck("Ray", check_ray),
    NamedCheck("malware scanner", check_malware_scanner),
    NamedCheck("other servers", check_other_servers),
)
"""The name is that of the line when a check fails as a whole."""
