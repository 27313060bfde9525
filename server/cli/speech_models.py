"""`vestibule models use | shadow | compare | discard`: the weights with which a running server recognises speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, Any

import click

from models.amounts import count_text
from server.cli.messages import as_dict
from server.cli.output import length_text, show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import CompareSpeechModelsResponse, SpeechComparison, SpeechModels, SpeechSpeed

CHANGE_TIMEOUT_S = 330.0
"""Longer than the server waits for workers, so that its answer comes. The same as in the service config."""

TELL_AFTER_S = 1.5
"""A change that takes longer is one for which workers start. A refusal comes before."""

COMPARED_COLUMNS = ("language", "finals", "equal", "that differ", "words that differ", "other entities")
SPEED_COLUMNS = ("language", "weights", "median latency", "95 % within", "real-time factor", "95 % within")


class _Speech(click.ParamType[str]):
    """The kind of weights that a running server can change."""

    name = "speech"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word itself."""
        if value != self.name:
            raise click.UsageError(
                f"'{value}' cannot be changed while the server runs: only the weights for speech can. Say speech, then "
                "the NAME of the weights."
            )
        return self.name


_kind = click.argument("kind", metavar="speech", type=_Speech())


@click.command(short_help="Recognise speech with other weights, without a restart.")
@_kind
@click.argument("name", required=False)
@click.option("--from-settings", is_flag=True, help="Those of VESTIBULE_SPEECH__WEIGHTS, as before the first choice.")
@address_option
def use(kind: str, name: str | None, from_settings: bool, address: str | None) -> None:
    """Recognise speech with the weights NAME from now on. No stream ends.

    Workers with these weights start beside those in use. When they take calls, new calls go to them, and the earlier
    workers end after their last call. Until then both are in memory. A candidate runs already, so it is used at once.
    The choice outlasts a restart, and counts for every server on the same ledger.

    \b
    Examples:
      vestibule models use speech whisper-small
      vestibule models use speech --from-settings
    """
    from vestibule.v1.admin_pb2 import UseSpeechModelRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    if bool(name) == from_settings:
        raise click.UsageError("Give a NAME, or --from-settings.")
    with connected(address) as channel:
        wanted = name or "the weights of the settings"
        request = UseSpeechModelRequest(weights=name or "")
        with _told_meanwhile(f"Workers with {wanted} start. Streams go on with those in use meanwhile."):
            reply = AdminServiceStub(channel).UseSpeechModel(request, timeout=CHANGE_TIMEOUT_S)
    _tell(reply.speech_models)


@click.command(short_help="Send a share of the finals to a candidate too.")
@_kind
@click.argument("name")
@click.option(
    "--share",
    required=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the finals that the candidate gets, such as 0.2.",
)
@address_option
def shadow(kind: str, name: str, share: float, address: str | None) -> None:
    """Have a share of the finals recognised by the weights NAME as well, only to compare.

    No client sees what a candidate says. It gets one final at a time, and none while the speech workers have no room
    for another stream. Look with `vestibule models compare`.

    \b
    Example:
      vestibule models shadow speech whisper-small --share 0.2
    """
    from vestibule.v1.admin_pb2 import ShadowSpeechModelRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        request = ShadowSpeechModelRequest(weights=name, share=share)
        with _told_meanwhile(f"Workers with {name} start beside those in use."):
            reply = AdminServiceStub(channel).ShadowSpeechModel(request, timeout=CHANGE_TIMEOUT_S)
    _tell(reply.speech_models)


@click.command(short_help="End the candidate.")
@address_option
def discard(address: str | None) -> None:
    """End the candidate. What was compared is kept, and deleted with its sessions."""
    from vestibule.v1.admin_pb2 import DiscardSpeechCandidateRequest, GetSpeechModelsRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        stub = AdminServiceStub(channel)
        before = stub.GetSpeechModels(GetSpeechModelsRequest(), timeout=CALL_TIMEOUT_S).speech_models
        # Also if none runs: one that was chosen may not have come up.
        reply = stub.DiscardSpeechCandidate(DiscardSpeechCandidateRequest(), timeout=CHANGE_TIMEOUT_S)
    click.echo(f"The candidate {before.candidate} ended." if before.candidate else "There is no candidate.")
    _tell(reply.speech_models)


@click.command(short_help="Compare the candidate with the weights in use.")
@click.option("--examples", type=click.IntRange(0, 100), default=5, show_default=True, help="Finals to show.")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def compare(examples: int, address: str | None, as_json: bool) -> None:
    """Show how often the candidate says something else than the weights in use, and how fast both are.

    Which of both is right is not known: look at the examples. All texts are redacted. Without a candidate the last
    comparison is shown, if the weights in use are those of then.

    \b
    Examples:
      vestibule models compare
      vestibule models compare --examples 20
    """
    from vestibule.v1.admin_pb2 import CompareSpeechModelsRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        request = CompareSpeechModelsRequest(example_count=examples)
        reply = AdminServiceStub(channel).CompareSpeechModels(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(as_dict(reply))
    else:
        _show(reply)


@contextmanager
def _told_meanwhile(text: str) -> Iterator[None]:
    """Tell what goes on, once a call takes so long that it was not refused."""
    timer = Timer(TELL_AFTER_S, click.echo, (text,), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell(models: SpeechModels) -> None:
    chosen = "chosen" if models.chosen else "as the settings say"
    click.echo(f"Speech is recognised by {models.weights}, {chosen}.")
    if models.candidate:
        click.echo(f"The candidate {models.candidate} gets {100 * models.share:.6g} % of the finals as well.")
    if models.problem:
        click.echo(f"What was chosen last cannot be used ({models.problem}); `vestibule status` says more.")


def _show(reply: CompareSpeechModelsResponse) -> None:
    _tell(reply.speech_models)
    running = reply.speech_models.candidate
    if not running:
        click.echo("There is no candidate.")
    if reply.comparisons:
        last = "" if running else "These are the figures of the last comparison, which is over.\n"
        candidate = f"The candidate {running}" if running else f"{reply.candidate}, which was the candidate,"
        click.echo(f"\n{last}{candidate} beside {reply.weights}, with intervals of 95 %:\n")
        show_table(COMPARED_COLUMNS, map(_compared, reply.comparisons))
        click.echo()
        show_table(SPEED_COLUMNS, [row for each in reply.comparisons for row in _speeds(each, reply)])
    elif running:
        click.echo("No final was compared yet.")
    else:
        click.echo("There is no comparison to show: none was made yet, or other weights were in use then.")
    if reply.skipped_count or reply.failed_count:
        finals, calls = count_text(reply.skipped_count, "final"), count_text(reply.failed_count, "call")
        click.echo(
            f"\nSince its start this server left out {finals}, because the workers had too much to do, and {calls} "
            "to a candidate failed."
        )
    if reply.examples:
        click.echo()
        texts = [(each.text or "(not there)", each.candidate_text or "(not there)") for each in reply.examples]
        show_table((reply.weights, reply.candidate), texts)
    if running:
        click.echo(f"\nPromote it: `vestibule models use speech {running}`. End it: `vestibule models discard`.")


def _compared(found: SpeechComparison) -> tuple[object, ...]:
    rate = _percent(found.word_difference_rate)
    if found.HasField("word_difference_rate_low"):
        rate += f" ({_percent(found.word_difference_rate_low)} to {_percent(found.word_difference_rate_high)})"
    between = f"({_percent(found.differing_share_low)} to {_percent(found.differing_share_high)})"
    return (
        found.language or "all",
        found.final_count,
        found.equal_count,
        f"{_percent(found.differing_share)} {between}",
        rate,
        found.entities_differ_count,
    )


def _speeds(found: SpeechComparison, reply: CompareSpeechModelsResponse) -> Iterator[Sequence[object]]:
    for weights, speed in ((reply.weights, found.speed), (reply.candidate, found.candidate_speed)):
        yield (found.language or "all", weights, *_speed(speed))


def _speed(speed: SpeechSpeed) -> tuple[object, ...]:
    latencies = map(length_text, (speed.median_latency, speed.p95_latency))
    return (*latencies, f"{speed.median_factor:.3f}", f"{speed.p95_factor:.3f}")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
