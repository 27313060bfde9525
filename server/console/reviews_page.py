"""The inbox: records that wait for a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response
from vestibule.v1 import flow_pb2
from vestibule.v1 import review_pb2 as pb
from vestibule.v1.common_pb2 import Origin

from server.console.page import texts_of
from server.console.review_page import short
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.times import shown_time

PAGE_OF_REVIEWS: Final = 50
CLAIMS: Final = {
    "all": pb.CLAIM_FILTER_UNSPECIFIED,
    "free": pb.CLAIM_FILTER_UNCLAIMED,
    "taken": pb.CLAIM_FILTER_CLAIMED,
    "mine": pb.CLAIM_FILTER_MINE,
}
ORDERS: Final = {
    "oldest": pb.REVIEW_ORDER_OLDEST,
    "newest": pb.REVIEW_ORDER_NEWEST,
    "expiry": pb.REVIEW_ORDER_EXPIRY,
}
DONE: Final = frozenset({"approved", "rejected", "revised", "released"})


async def show_all(visit: Visit) -> Response:
    """What waits."""
    asked, texts = visit.request.query_params, texts_of(visit.request)
    claim, order = asked.get("claim", "all"), asked.get("order", "oldest")
    request = pb.ListReviewsRequest(
        client_id=asked.get("client", ""),
        flow=asked.get("flow", ""),
        claim=CLAIMS.get(claim, CLAIMS["all"]),
        order=ORDERS.get(order, ORDERS["oldest"]),
        page_size=PAGE_OF_REVIEWS,
        page_token=asked.get("page", ""),
    )
    reply = await visit.call("ReviewService", "ListReviews", request)
    titles = await _titles(visit, texts) | {"": texts("reviews_every_flow")}
    now = datetime.now(UTC).replace(tzinfo=None)
    done = asked.get("done", "")
    return visit.page(
        "reviews.html",
        reviews=[_summary(found, now, titles, texts) for found in reply.reviews],
        total=reply.total_count,
        chosen={"claim": claim, "order": order, "flow": request.flow, "client": request.client_id},
        claims=list(CLAIMS),
        orders=list(ORDERS),
        flows=sorted(({request.flow: request.flow} | titles).items()),
        next_page=_next_page(asked.multi_items(), reply.next_page_token),
        done=done if done in DONE else "",
    )


def _next_page(asked: list[tuple[str, str]], token: str) -> str:
    if not token:
        return ""
    kept = [(name, value) for name, value in asked if name not in {"page", "done"}]
    return f"/reviews?{urlencode([*kept, ('page', token)])}"


async def _titles(visit: Visit, texts: Texts) -> dict[str, str]:
    """What people call the flows, by their names."""
    if not visit.allowed("FlowService", "ListFlows"):
        return {}
    reply = await visit.call("FlowService", "ListFlows", flow_pb2.ListFlowsRequest(language=texts.language))
    return {flow.name: flow.title for flow in reply.flows}


def _summary(found: pb.ReviewSummary, now: datetime, titles: Mapping[str, str], texts: Texts) -> dict[str, object]:
    formats, since = Formats(texts.language), found.wait_time.ToDatetime()
    return {
        "id": found.recommendation_id,
        "summary": found.summary,
        "flow": (titles.get(found.flow) or found.flow.replace("_", " ")) if found.flow else "",
        "client": found.client_id,
        "waits": formats.length(max((now - since).total_seconds(), 0.0)),
        "since": shown_time(since),
        "expires": shown_time(found.expire_time.ToDatetime()),
        "fields": found.field_count,
        "missing": found.missing_count,
        "comments": found.comment_count,
        "by_fallback": found.origin == Origin.ORIGIN_FALLBACK,
        "approvals": found.approval_count,
        "needed": found.approvals_needed,
        "claim": _claim_text(found, texts),
    }


def _claim_text(found: pb.ReviewSummary, texts: Texts) -> str:
    if not found.HasField("claim"):
        return texts("review_free")
    if found.claim.mine:
        return texts("review_mine")
    return texts("review_taken", who=found.claim.reviewer or short(found.claim.subject))
