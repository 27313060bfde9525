"""Settings of the web console."""

from __future__ import annotations

from pydantic import BaseModel, Field

from server.setting_groups.fields import Port


class ConsoleSettings(BaseModel):
    """The web console. It listens on loopback only, and asks for an API key or a token."""

    enabled: bool = Field(True, description="Whether the server has a web console.")
    port: Port = Field(8090, description="Port of the console on loopback; 0 picks one.")
    idle_s: float = Field(1800.0, gt=0, description="Time without a request after which a browser is logged out.")
    longest_s: float = Field(43_200.0, gt=0, description="Time after which a browser is logged out in any case.")
