"""The changes of the schema that change nothing but what analysts read: views and macros. See ``migrations``."""

from __future__ import annotations

from server.ledger import event_views, flows, funnel_macros, funnel_view, macro_views, macros, return_visits, views
from server.ledger.columns import Cursor, execute_all


def create_views(cursor: Cursor) -> None:
    """Create the views that analysts read."""
    execute_all(cursor, *(view.statements() for view in views.FIRST_VIEWS))


def tell_who_is_under_way(cursor: Cursor) -> None:
    """Make the funnel's views again: a session that is under way does not count as dropped."""
    execute_all(cursor, *(view.statements() for view in views.UNDER_WAY_VIEWS))


def count_funnels_over_events(cursor: Cursor) -> None:
    """Create the views of events, records and decisions, and the macros that count funnels over any events."""
    execute_all(cursor, *(view.statements() for view in event_views.EVENT_VIEWS))
    execute_all(cursor, *(macro.statements() for macro in macros.FIRST_MACROS))


def break_funnels_down(cursor: Cursor) -> None:
    """Create the macro that counts a funnel for each value of a property."""
    execute_all(cursor, *(macro.statements() for macro in macros.SECOND_MACROS))


def count_who_comes_back(cursor: Cursor) -> None:
    """Create the view of the sessions of a person, and the macro that counts who comes back."""
    execute_all(cursor, return_visits.V_PERSON_SESSIONS.statements(), return_visits.RETENTION.statements())


def give_funnels_a_shape(cursor: Cursor) -> None:
    """Create the macros for optional steps, excluded events and windows by step, and for the groups of a funnel."""
    execute_all(cursor, *(macro.statements() for macro in funnel_macros.SHAPE_MACROS))


def renew_macros(cursor: Cursor) -> None:
    """Put the macros as they are now, and the view that lists them, into a ledger that has earlier ones."""
    execute_all(cursor, macro_views.statements())


def leave_deleted_events_out_of_the_funnel(cursor: Cursor) -> None:
    """Make the funnel's views again: a session whose events retention has deleted counted as dropped."""
    execute_all(cursor, *(view.statements() for view in views.UNDER_WAY_VIEWS))


def tell_stages_of_flows(cursor: Cursor) -> None:
    """Show the stages of the funnel of each flow."""
    execute_all(cursor, flows.V_FLOWS_WITH_STAGES.statements())


def show_expiry_and_sources(cursor: Cursor) -> None:
    """Show when records expire, by which a session without a decision has left, and which events are of an app."""
    execute_all(cursor, event_views.V_RECORDS_WITH_EXPIRY.statements(), views.V_FUNNEL.statements())
    execute_all(cursor, views.V_SESSION_TIMELINE_WITH_SOURCE.statements())


def leave_new_sessions_out_of_the_funnel(cursor: Cursor) -> None:
    """Make the view of the funnel again: its rate counted every known end, and going on is known before leaving."""
    execute_all(cursor, funnel_view.V_FUNNEL_BY_COHORTS.statements())
