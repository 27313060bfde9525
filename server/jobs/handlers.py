"""One handler for each kind of job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ray_tasks.types import Gateway
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.jobs.label_picture import LabelPicture
from server.jobs.propose_again import ProposeAgain
from server.jobs.propose_record import ProposeRecord
from server.jobs.read_picture import ReadPicture
from server.jobs.read_recording import ReadRecording
from server.jobs.types import Handler
from server.jobs.write_reply import WriteReply
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.llm.labels import NO_LABELLER, Labeller
from server.llm.types import Assistant
from server.records.guide import Guide
from server.records.pubsub import PubSub
from server.records.recommender import Recommender
from server.sealed.requests import NOTHING_SEALED, Seals
from server.setting_groups import LabelSettings
from server.uploads.spool import Spool

USUAL_LABELS: Final = LabelSettings()


def build_handlers(
    ledger: Ledger,
    spool: Spool,
    gateway: Gateway,
    assistant: Assistant,
    recommender: Recommender,
    pubsub: PubSub,
    *,
    artifacts: Path,
    clock: Clock,
    guide: Guide,
    recordings_at_once: int = 2,
    keep_recordings: bool = False,
    experiments: Experiments = NO_EXPERIMENTS,
    seals: Seals = NOTHING_SEALED,
    labeller: Labeller = NO_LABELLER,
    labels: LabelSettings = USUAL_LABELS,
) -> Sequence[Handler]:
    """Build all handlers.

    Args:
        ledger: Where results are recorded.
        spool: Holds the content of uploads.
        gateway: Reads and redacts.
        assistant: Writes replies.
        recommender: Writes records.
        pubsub: Publishes results.
        artifacts: Folder of the redacted pictures and recordings.
        clock: The time now.
        guide: Notes what answers the flow of a session.
        recordings_at_once: Recordings that are read at a time.
        keep_recordings: Whether recordings are kept once they are muted.
        experiments: Say what the assistant is told for a session.
        seals: Says which values of an upload are sealed.
        labeller: Labels pictures.
        labels: Settings of it.
    """
    asking = (
        ProposeRecord(ledger, recommender),
        WriteReply(ledger, gateway, assistant, pubsub, clock, guide, experiments),
    )
    label = LabelPicture(ledger, gateway, pubsub, clock, labeller, labels, artifacts)
    kept = [] if assistant.configured else [*asking]  # jobs that wait until there is somebody to ask
    kept += [] if labeller.configured else [label]
    for handler in kept:
        handler.concurrency = 0
    reading = (ledger, spool, gateway, pubsub, artifacts, clock, seals)
    return (
        ReadPicture(*reading, guide=guide, on_read=label.enqueue),
        ReadRecording(*reading, guide=guide, at_once=recordings_at_once, keep_recordings=keep_recordings),
        label,
        ProposeAgain(ledger, recommender, clock),
        *asking,
    )
