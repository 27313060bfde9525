"""Numbered changes of the schema. ``migrate`` applies them.

A released migration never changes. A new one is a function here and a line in ``ALL``.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from server.ledger import (
    access_schema,
    answers,
    daily_events,
    event_counts,
    event_declarations,
    event_views,
    flows,
    funnel_macros,
    job_attempts,
    letter_operations,
    macro_views,
    macros,
    picture_labels,
    return_visits,
    reviews_schema,
    schema,
    schema_changes,
    sealed_values,
    server_events,
    turn_views,
    views,
    weekly_reports,
)
from server.ledger.columns import Cursor

Migration = Callable[[Cursor], None]


def _run(cursor: Cursor, *parts: list[str]) -> None:
    for statement in chain.from_iterable(parts):
        cursor.execute(statement)


def create_tables(cursor: Cursor) -> None:
    """Create sessions and the tables that belong to them."""
    _run(cursor, *(table.statements() for table in schema.FIRST_TABLES))


def remember_breakers(cursor: Cursor) -> None:
    """Create the table of breakers, whose state survives a restart."""
    _run(cursor, schema.BREAKERS.statements())


def create_views(cursor: Cursor) -> None:
    """Create the views that analysts read."""
    _run(cursor, *(view.statements() for view in views.FIRST_VIEWS))


def keep_words(cursor: Cursor) -> None:
    """Create the table of words with times, so that a final can be sent again with them."""
    _run(cursor, schema.TURN_WORDS.statements())


def tell_who_is_under_way(cursor: Cursor) -> None:
    """Make the funnel's views again: a session that is under way does not count as dropped."""
    _run(cursor, *(view.statements() for view in views.UNDER_WAY_VIEWS))


def remember_who_detects(cursor: Cursor) -> None:
    """Store whether a stream detects its language, so that it may detect it again on any connection.

    An older stream counts as detecting only if it has no language yet; the others keep theirs.
    """
    _run(cursor, schema_changes.STREAM_DETECTS)


def call_pictures_and_recordings_artifacts(cursor: Cursor) -> None:
    """Rename the columns of redacted pictures, because they hold recordings too."""
    _run(cursor, schema_changes.RENAME_ARTIFACTS)


def number_tags(cursor: Cursor) -> None:
    """Create the table of the numbers of tags."""
    _run(cursor, schema.TAG_NUMBERS.statements())


def remember_redactions(cursor: Cursor) -> None:
    """Create the table that says with which rules stored texts were redacted again."""
    _run(cursor, schema.REDACTIONS.statements())


def remember_subjects_and_erasures(cursor: Cursor) -> None:
    """Store the hash of the person of a session, and what was erased."""
    _run(cursor, schema_changes.SUBJECTS, access_schema.ERASURES.statements())


def record_audit(cursor: Cursor) -> None:
    """Create the audit and its view."""
    _run(cursor, access_schema.AUDIT.statements(), views.V_AUDIT.statements())


def count_upload_attempts(cursor: Cursor) -> None:
    """Create the table of attempts to upload, so that a restart forgets no quota."""
    _run(cursor, access_schema.UPLOAD_ATTEMPTS.statements())


def keep_api_keys(cursor: Cursor) -> None:
    """Create the table of the API keys."""
    _run(cursor, access_schema.API_KEYS.statements())


def name_uploads(cursor: Cursor) -> None:
    """Add the columns of the display name of an upload."""
    _run(cursor, schema_changes.DISPLAY_NAMES)


def know_owners_and_approvers(cursor: Cursor) -> None:
    """Store who took part in a session and who approved, when a record expires, and ids that two clients gave."""
    _run(cursor, access_schema.PARTICIPANTS.statements(), schema_changes.SECOND_OWNERS, schema_changes.APPROVALS)


def read_recordings_in_places_of_their_own(cursor: Cursor) -> None:
    """Give the jobs that read uploads the kind of what they read: a picture or a recording."""
    _run(cursor, schema_changes.KINDS_OF_READING)


def keep_server_events(cursor: Cursor) -> None:
    """Create the table of what happens to the server, with its view, and store when a breaker changed."""
    _run(cursor, server_events.SERVER_EVENTS.statements())
    _run(cursor, schema_changes.BREAKER_CHANGES)
    _run(cursor, views.V_SERVER_EVENTS.statements())


def record_attempts(cursor: Cursor) -> None:
    """Create the table of attempts at jobs, and store the call and the build of a dead letter."""
    _run(cursor, job_attempts.JOB_ATTEMPTS.statements(), schema_changes.LETTER_FIELDS)
    _run(cursor, *(view.statements() for view in views.ATTEMPT_VIEWS))


def remember_letter_operations(cursor: Cursor) -> None:
    """Create the table of operations on many dead letters, and mark the letters of each."""
    _run(cursor, letter_operations.LETTER_OPERATIONS.statements(), letter_operations.MARKS)


def correct_device_clocks(cursor: Cursor) -> None:
    """Store when each event happened with the clock of its device corrected, and by which clock."""
    _run(cursor, schema_changes.EVENT_TIMES)


def declare_events(cursor: Cursor) -> None:
    """Create the table of declared events, and say that properties may be typed."""
    _run(cursor, event_declarations.EVENT_DECLARATIONS.statements(), list(event_declarations.COMMENTS))


def count_funnels_over_events(cursor: Cursor) -> None:
    """Create the views of events, records and decisions, and the macros that count funnels over any events."""
    _run(cursor, *(view.statements() for view in event_views.EVENT_VIEWS))
    _run(cursor, *(macro.statements() for macro in macros.FIRST_MACROS))


def break_funnels_down(cursor: Cursor) -> None:
    """Create the macro that counts a funnel for each value of a property."""
    _run(cursor, *(macro.statements() for macro in macros.SECOND_MACROS))


def count_who_comes_back(cursor: Cursor) -> None:
    """Create the view of the sessions of a person, and the macro that counts who comes back."""
    _run(cursor, return_visits.V_PERSON_SESSIONS.statements(), return_visits.RETENTION.statements())


def keep_daily_counts(cursor: Cursor) -> None:
    """Create the table of counts of deleted events, and the view of all counts by day."""
    _run(cursor, [*daily_events.DAILY_EVENTS.statements(), *daily_events.V_DAILY_EVENTS.statements()])


def remember_weekly_reports(cursor: Cursor) -> None:
    """Create the table of the weekly reports that were sent."""
    _run(cursor, weekly_reports.WEEKLY_REPORTS.statements())


def give_funnels_a_shape(cursor: Cursor) -> None:
    """Create the macros for optional steps, excluded events and windows by step, and for the groups of a funnel."""
    _run(cursor, *(macro.statements() for macro in funnel_macros.SHAPE_MACROS))


def renew_macros(cursor: Cursor) -> None:
    """Put the macros as they are now, and the view that lists them, into a ledger that has earlier ones."""
    _run(cursor, macro_views.statements())


def count_events_of_sessions(cursor: Cursor) -> None:
    """Store how many events the app of each session has stored, because they are bounded."""
    _run(cursor, event_counts.SESSION_EVENT_COUNTS)


def leave_deleted_events_out_of_the_funnel(cursor: Cursor) -> None:
    """Make the funnel's views again: a session whose events retention has deleted counted as dropped."""
    _run(cursor, *(view.statements() for view in views.UNDER_WAY_VIEWS))


def place_openings_first(cursor: Cursor) -> None:
    """Place the opening of each session no later than the events of its app."""
    _run(cursor, [*schema_changes.OPENINGS, *event_views.V_EVENTS.statements()])


def review_fields(cursor: Cursor) -> None:
    """Create the tables of reviews and the view of decisions about fields, and store how many approvals are needed."""
    _run(cursor, *(table.statements() for table in reviews_schema.REVIEW_TABLES))
    _run(cursor, [*reviews_schema.APPROVALS_NEEDED, *reviews_schema.V_FIELD_DECISIONS.statements()])


def say_which_replies_are_not_whole(cursor: Cursor) -> None:
    """Store why a reply is not whole, and show it to analysts."""
    _run(cursor, [*turn_views.CUT_REPLIES, *turn_views.V_TURNS_WITH_CUT.statements()])


def keep_flows(cursor: Cursor) -> None:
    """Create the table of flows, and store the flow of each session."""
    _run(cursor, [*flows.FLOWS.statements(), *flows.FLOW_OF_SESSION])
    _run(cursor, [*flows.V_SESSIONS_WITH_FLOWS.statements(), *flows.V_FLOWS.statements()])


def keep_sealed_values(cursor: Cursor) -> None:
    """Create the table of values that are sealed for other systems, and the view that says which there are."""
    _run(cursor, sealed_values.STATEMENTS)


def remember_why_records_were_rejected(cursor: Cursor) -> None:
    """Store the reason of a rejection with the record."""
    _run(cursor, schema_changes.DECIDE_REASONS)


def label_pictures(cursor: Cursor) -> None:
    """Add the column of the labels of pictures, and the view of them."""
    _run(cursor, [*picture_labels.LABELS, *picture_labels.V_PICTURE_LABELS.statements()])


def keep_answers(cursor: Cursor) -> None:
    """Create the table of answers in flows, and its view."""
    _run(cursor, answers.STATEMENTS)


def name_flows_of_decisions(cursor: Cursor) -> None:
    """Show the flow with each decision about a field, and say which erasures are by age."""
    _run(cursor, [*reviews_schema.V_FIELD_DECISIONS_WITH_FLOWS.statements(), *schema_changes.AGE_ERASES])


def remember_what_was_asked(cursor: Cursor) -> None:
    """Store with a turn the field that the person was asked for."""
    _run(cursor, turn_views.ASKED_FIELDS)


def keep_time_zones(cursor: Cursor) -> None:
    """Store the time zone of each session."""
    _run(cursor, schema_changes.TIME_ZONES)


def tell_removed_fields(cursor: Cursor) -> None:
    """Say that a decision about a field may remove others."""
    _run(cursor, [*reviews_schema.REMOVED_FIELDS, *reviews_schema.V_FIELD_DECISIONS_WITH_REMOVED.statements()])


def tell_stages_of_flows(cursor: Cursor) -> None:
    """Show the stages of the funnel of each flow."""
    _run(cursor, flows.V_FLOWS_WITH_STAGES.statements())


def count_attempts_at_reports_from_the_first(cursor: Cursor) -> None:
    """Store from when on the time of the attempts at a weekly report counts."""
    _run(cursor, weekly_reports.FIRST_ATTEMPTS)


def show_expiry_and_sources(cursor: Cursor) -> None:
    """Show when records expire, by which a session without a decision has left, and which events are of an app."""
    _run(cursor, event_views.V_RECORDS_WITH_EXPIRY.statements(), views.V_FUNNEL.statements())
    _run(cursor, views.V_SESSION_TIMELINE_WITH_SOURCE.statements())


ALL: tuple[Migration, ...] = (
    create_tables,
    remember_breakers,
    create_views,
    keep_words,
    tell_who_is_under_way,
    remember_who_detects,
    call_pictures_and_recordings_artifacts,
    number_tags,
    remember_redactions,
    remember_subjects_and_erasures,
    record_audit,
    count_upload_attempts,
    keep_api_keys,
    name_uploads,
    know_owners_and_approvers,
    read_recordings_in_places_of_their_own,
    keep_server_events,
    record_attempts,
    remember_letter_operations,
    correct_device_clocks,
    declare_events,
    count_funnels_over_events,
    break_funnels_down,
    count_who_comes_back,
    keep_daily_counts,
    remember_weekly_reports,
    give_funnels_a_shape,
    renew_macros,
    count_events_of_sessions,
    renew_macros,
    leave_deleted_events_out_of_the_funnel,
    place_openings_first,
    renew_macros,
    renew_macros,
    review_fields,
    say_which_replies_are_not_whole,
    keep_flows,
    keep_sealed_values,
    remember_why_records_were_rejected,
    label_pictures,
    keep_answers,
    name_flows_of_decisions,
    remember_what_was_asked,
    keep_time_zones,
    tell_removed_fields,
    tell_stages_of_flows,
    count_attempts_at_reports_from_the_first,
    show_expiry_and_sources,
    renew_macros,
    renew_macros,
)
