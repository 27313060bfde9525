"""An experiment as its file declares it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from models.text import RedactedText


@dataclass(frozen=True, slots=True)
class Changes:
    """What the server itself does otherwise for the sessions of a variant.

    Attributes:
        end_silence_s: Silence that ends an utterance, where the client chooses none; None takes the server's.
        reply_instruction: Told to the assistant with each reply; None tells it nothing more.
        flow_version: Version that a new session gets of the flow of the experiment; 0 for the newest.
    """

    end_silence_s: float | None = None
    reply_instruction: RedactedText | None = None
    flow_version: int = 0


NO_CHANGES: Final = Changes()


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the ways that are compared.

    Attributes:
        weight: Its part of the sessions, against those of the other variants.
    """

    name: str
    weight: float = 1.0
    changes: Changes = NO_CHANGES


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How much worse than the control a variant may be. More than this is a harm.

    Attributes:
        unsafe_texts: Share of texts that are not safe for the LLM.
        final_delay_s: Median of the seconds from the end of an utterance to its final text.
        failed_uploads: Share of uploads that failed or were refused.
    """

    unsafe_texts: float = 0.01
    final_delay_s: float = 0.25
    failed_uploads: float = 0.02


@dataclass(frozen=True, slots=True)
class Experiment:
    """Variants that are compared.

    Attributes:
        variants: The first is the control.
        start: Sessions opened at or after this time take part.
        end: Sessions opened before this time take part; None has no end.
        clients: The only clients whose sessions take part; empty takes all.
        pseudonyms: Under which the sessions of these clients are stored, if they have tokens.
        planned_sessions: After which the intervals are to be narrowest.
        counts_after_s: Seconds from opening until a session counts. One that is completed later is not completed.
        flow: Whose versions are compared, if a variant names one. Only its sessions take part then.
        words_checked: Whether somebody made sure that its names and instructions name no person.
    """

    name: str
    variants: tuple[Variant, ...]
    start: datetime
    end: datetime | None = None
    clients: frozenset[str] = frozenset()
    pseudonyms: frozenset[str] = frozenset()
    planned_sessions: int = 5000
    counts_after_s: float = 86_400.0
    tolerances: Tolerances = field(default_factory=Tolerances)
    flow: str = ""
    words_checked: bool = False

    @property
    def only_flow(self) -> str:
        """The only flow whose sessions take part; empty where no versions are compared, and sessions of all do."""
        return self.flow if any(variant.changes.flow_version for variant in self.variants) else ""

    @property
    def control(self) -> Variant:
        """What the others are compared with."""
        return self.variants[0]

    def takes(self, client_id: str, at: datetime, flow: str) -> bool:
        """Whether a session of this flow that this client opens at this time takes part."""
        running = self.start <= at and (self.end is None or at < self.end)
        return running and self.has_client(client_id) and self.only_flow in ("", flow)

    def has_ended(self, now: datetime) -> bool:
        """Whether no new session takes part any more."""
        return self.end is not None and self.end <= now

    def has_client(self, client_id: str) -> bool:
        """Whether sessions of this client take part."""
        return not self.clients or client_id in self.clients or client_id in self.pseudonyms

    def label(self, variant: Variant) -> str:
        """How sessions of a variant are marked: both names, with a dot."""
        return f"{self.name}.{variant.name}"

    def overlaps(self, other: Experiment) -> bool:
        """Whether a session could take part in both."""
        together = not self.clients or not other.clients or bool(self.clients & other.clients)
        flows = not self.only_flow or not other.only_flow or self.only_flow == other.only_flow
        begun = other.end is None or self.start < other.end
        return together and flows and begun and (self.end is None or other.start < self.end)
