"""Settings of Ray and its workers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.errors import InvalidInput
from models.redaction.ner.engine_choice import check_engine
from server.setting_groups.fields import MEBIBYTE, Empty, Port, Threads


class WorkerSettings(BaseModel):
    """Resources of one kind of worker; each is a Ray Serve deployment."""

    replicas: int = Field(1, ge=1, description="Processes of this kind; with `MOST_REPLICAS` the least number of them.")
    most_replicas: int = Field(
        0,
        ge=0,
        description="Most processes of this kind, as calls need them; a number not above `REPLICAS` keeps theirs.",
    )
    ongoing_per_replica: float = Field(
        2.0, gt=0, description="Calls for each process, running or waiting, from which `MOST_REPLICAS` adds one."
    )
    cpus: float = Field(0.3, gt=0, description="Logical CPUs that Ray books for one replica.")
    gpus: float = Field(0.0, ge=0, description="GPUs, or a fraction of one, that Ray books for one replica.")
    threads: Threads = Field(2, description="Threads that the engine of one replica really uses.")
    max_ongoing: int = Field(4, ge=1, description="Calls that one replica takes at a time.")
    max_queued: int = Field(64, ge=1, description="Calls that may wait; one more is refused.")

    @property
    def most(self) -> int:
        """The largest number of processes."""
        return max(self.replicas, self.most_replicas)


class SpeechSettings(WorkerSettings):
    """Speech recognition."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field("ctranslate2", description="Which Whisper engine.")
    weights: str = Field(
        "whisper-base", description="Name of the Whisper weights, pinned or added, see `vestibule models list`."
    )
    partial_weights: str = Field(
        "",
        description="Whisper weights for the captions of a running utterance, such as a smaller size; empty takes "
        "`weights`. Finals and recordings always use `weights`.",
    )
    threads: Threads = Field(
        1,
        description="Threads for a window. `ctranslate2` is fastest with 1, see `AT_ONCE`; openai-whisper wants more.",
    )
    at_once: Threads = Field(
        2,
        description="Most windows that one replica takes at the same time, and so the largest batch on a GPU. It takes "
        "no more than `MAX_ONGOING`. openai-whisper takes one, unless `DEVICE` is `cuda`.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where there is one.")

    @property
    def names(self) -> list[str]:
        """Names of the weights, each once."""
        return list(dict.fromkeys(name for name in (self.weights, self.partial_weights) if name))

    @property
    def places(self) -> int:
        """Number of windows that all replicas together recognise at the same time, once there are as many as may be:
        with fewer places than that, there would never be so many calls that more replicas are needed.
        """
        one = self.engine == "openai-whisper" and self.device != "cuda"
        return self.most * (1 if one else min(self.at_once, self.max_ongoing))


class VisionSettings(WorkerSettings):
    """Reading of pictures."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where there is one.")
    page_lines: int = Field(
        1000, ge=1, le=4000, description="Lines of print that one page may have; a page with more is refused."
    )
    page_cpu_s: float = Field(
        120.0, gt=0, description="Seconds of CPU that the models may take for one page; one that takes more is ended."
    )


class RedactionSettings(WorkerSettings):
    """Redaction."""

    engine: Literal["ctranslate2", "transformers"] = Field("ctranslate2", description="What runs the name classifier.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto takes a GPU where there is one. `ctranslate2` runs on the CPU only."
    )
    policy_file: Empty[Path] = Field(None, description="YAML file of redaction policies; empty means the strict one.")
    ner_weights: str = Field(
        "",
        description="Name of an added model that finds more personal words, beside what is built in; empty means none. "
        "See docs/concepts/weights.md.",
    )

    threads: Threads = Field(1, description="Threads of the name classifier.")
    max_ongoing: int = Field(16, ge=1, description="Calls that one replica takes at a time.")
    max_queued: int = Field(256, ge=1, description="Calls that may wait; one more is refused.")

    @model_validator(mode="after")
    def _engine_can_use_the_device(self) -> RedactionSettings:
        try:
            check_engine(self.engine, self.device)
        except InvalidInput as error:
            raise PydanticCustomError(error.reason, error.message) from None
        return self


class RaySettings(BaseModel):
    """The cluster."""

    address: str = Field("", description="Cluster to join; empty starts a local one that ends with the server.")
    allow_no_token: bool = Field(
        False, description="Join a cluster that asks for no token; whoever reaches it can run code in the workers."
    )
    dashboard: bool = Field(True, description="Whether a local cluster has its dashboard.")
    dashboard_port: Port = Field(8265, description="Port of the dashboard, on loopback; 0 picks one.")
    metrics_port: Port = Field(
        0,
        description="Port at which a local cluster exports metrics of workers and of Serve, on loopback but without "
        "a token; 0 turns that off.",
    )
    num_cpus: Empty[float] = Field(None, description="Logical CPUs of a local cluster; empty means those there are.")
    num_gpus: Empty[float] = Field(None, description="Logical GPUs of a local cluster; empty means those there are.")
    object_store_bytes: int = Field(
        256 * MEBIBYTE,
        description="Shared memory of the node that the server starts, local or of a joined cluster.",
    )
