"""The guide through the flows that come with the server."""

from __future__ import annotations

from typing import Final

from server.flows.catalogue import shipped_catalogue
from server.records.guide import Guide

FLOWS: Final = shipped_catalogue()
GUIDE: Final = Guide(FLOWS)
