"""The flows: what an onboarding asks, and which version new sessions get."""

from __future__ import annotations

from starlette.responses import Response
from vestibule.v1 import flow_pb2 as pb
from vestibule.v1.media_pb2 import MediaKind

from server.console.filters import Filter
from server.console.page import language_of, texts_of
from server.console.visit import Visit
from server.languages.texts import Texts


async def show_all(visit: Visit) -> Response:
    """Every flow that a new session can have."""
    request = pb.ListFlowsRequest(language=language_of(visit.request))
    reply = await visit.call("FlowService", "ListFlows", request)
    return visit.page("flows.html", flows=list(reply.flows))


async def flow_choices(visit: Visit, chosen: Filter, texts: Texts) -> list[tuple[str, str]]:
    """The flows that a filter offers, each with its title; empty where the visitor may see none.

    Also what the address has, such as a flow with its version.
    """
    if not visit.allowed("FlowService", "ListFlows"):
        return []
    reply = await visit.call("FlowService", "ListFlows", pb.ListFlowsRequest(language=texts.language))
    titles = {flow.name: flow.title for flow in reply.flows}
    return [*({chosen["flow"]: chosen["flow"]} | titles if chosen["flow"] else titles).items()]


async def show_one(visit: Visit) -> Response:
    """One flow with its steps and fields."""
    version = visit.request.query_params.get("version", "")
    request = pb.GetFlowRequest(
        name=str(visit.request.path_params["name"]),
        version=int(version) if version.isascii() and version.isdecimal() and len(version) < 7 else 0,
        language=language_of(visit.request),
    )
    flow = (await visit.call("FlowService", "GetFlow", request)).flow
    texts = texts_of(visit.request)
    steps = [_step(step, texts) for step in flow.steps]
    return visit.page("flow.html", flow=flow, steps=steps, kept=_kept(flow.retention, texts))


def _kept(retention: pb.FlowRetention, texts: Texts) -> list[tuple[str, str]]:
    """What is deleted by age, and after how many days."""
    return [
        (texts(f"flow_kept_{limit.name.removesuffix('_days')}"), texts("flow_kept_days", days=f"{days:g}"))
        for limit, days in retention.ListFields()
    ]


def _step(step: pb.StepDescription, texts: Texts) -> dict[str, object]:
    ways = [texts(f"flow_way_{_word(pb.AnswerWay.Name(way))}") for way in step.ways]
    pictures = [texts.or_word(f"media_{_word(MediaKind.Name(kind), 2)}", "") for kind in step.picture_kinds]
    return {
        "title": step.title,
        "why": step.why,
        "ways": ", ".join([*ways, *filter(None, pictures)]),
        "skippable": step.skippable,
        "conditional": step.conditional,
        "fields": [_field(field, texts) for field in step.fields],
    }


def _field(field: pb.FieldDescription, texts: Texts) -> dict[str, object]:
    return {
        "label": field.label,
        "name": field.name,
        "question": field.question,
        "kind": texts(f"flow_kind_{_word(pb.FieldKind.Name(field.kind), 2)}"),
        "fits": _values(field),
        "required": field.required,
        "conditional": field.conditional,
    }


def _values(field: pb.FieldDescription) -> str:
    """What its values are: options, bounds with the unit, the format of a code, or how many photographs."""
    if field.options:
        return ", ".join(option.label for option in field.options)
    if field.kind == pb.FIELD_KIND_NUMBER:
        least = f"{field.minimum:.15g}" if field.HasField("minimum") else ""
        most = f"{field.maximum:.15g}" if field.HasField("maximum") else ""
        span = f"{least} - {most}".strip() if least or most else ""
        return f"{span} {field.unit}".strip()
    return field.format or (f"{field.least}" if field.least > 1 else "")


def _word(name: str, prefix_words: int = 2) -> str:
    """A value of an enum without the words of the enum's own name, in small letters."""
    return "_".join(name.split("_")[prefix_words:]).lower()
