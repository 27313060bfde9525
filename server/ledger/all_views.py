"""All views, whichever migration made them."""

from __future__ import annotations

from server.ledger import views
from server.ledger.answers import V_ANSWERS
from server.ledger.daily_events import V_DAILY_EVENTS
from server.ledger.event_views import V_DECISIONS, V_EVENTS, V_RECORDS_WITH_EXPIRY
from server.ledger.flows import V_FLOWS_WITH_STAGES, V_SESSIONS_WITH_FLOWS
from server.ledger.funnel_view import V_FUNNEL_BY_COHORTS
from server.ledger.macro_views import V_MACROS
from server.ledger.model_comparisons import V_MODEL_COMPARISONS
from server.ledger.picture_labels import V_PICTURE_LABELS
from server.ledger.return_visits import V_PERSON_SESSIONS
from server.ledger.reviews_schema import V_FIELD_DECISIONS_WITH_REMOVED
from server.ledger.sealed_values import V_SEALED_VALUES
from server.ledger.turn_views import V_TURNS, V_TURNS_WITH_CUT

_REPLACED = (views.V_SESSIONS, views.V_FUNNEL, views.V_DEAD_LETTERS, views.V_SESSION_TIMELINE, V_TURNS)

ALL_VIEWS = (
    V_SESSIONS_WITH_FLOWS,
    *(view for view in views.FIRST_VIEWS if view not in _REPLACED),
    V_FUNNEL_BY_COHORTS,
    *(views.V_AUDIT, views.V_SERVER_EVENTS, *views.ATTEMPT_VIEWS),
    *(V_EVENTS, V_RECORDS_WITH_EXPIRY, V_DECISIONS, V_PERSON_SESSIONS, V_DAILY_EVENTS),
    V_MACROS,
    views.V_SESSION_TIMELINE_WITH_SOURCE,
    V_FLOWS_WITH_STAGES,
    V_ANSWERS,
    V_FIELD_DECISIONS_WITH_REMOVED,
    V_TURNS_WITH_CUT,
    V_SEALED_VALUES,
    V_PICTURE_LABELS,
    V_MODEL_COMPARISONS,
)
