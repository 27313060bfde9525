"""Numbered changes of the schema. ``migrate`` applies them.

A released migration never changes. A new one is a line in ``ALL`` and a function here, or in ``view_migrations`` if it
changes nothing but what analysts read. Its line says whether there is a way back, see ``migration_marks``.
"""

from __future__ import annotations

from typing import Final

from server.ledger import (
    access_schema,
    answers,
    daily_events,
    event_counts,
    event_declarations,
    event_views,
    flows,
    job_attempts,
    letter_operations,
    model_comparisons,
    picture_labels,
    reviews_schema,
    schema,
    schema_changes,
    sealed_values,
    server_events,
    servers,
    speech_models,
    turn_views,
    view_migrations,
    views,
    weekly_reports,
)
from server.ledger.columns import Cursor, execute_all
from server.ledger.migration_marks import Migration, one_way


def create_tables(cursor: Cursor) -> None:
    """Create sessions and the tables that belong to them."""
    execute_all(cursor, *(table.statements() for table in schema.FIRST_TABLES))


def remember_breakers(cursor: Cursor) -> None:
    """Create the table of breakers, whose state survives a restart."""
    execute_all(cursor, schema.BREAKERS.statements())


def keep_words(cursor: Cursor) -> None:
    """Create the table of words with times, so that a final can be sent again with them."""
    execute_all(cursor, schema.TURN_WORDS.statements())


def remember_who_detects(cursor: Cursor) -> None:
    """Store whether a stream detects its language, so that it may detect it again on any connection.

    An older stream counts as detecting only if it has no language yet; the others keep theirs.
    """
    execute_all(cursor, schema_changes.STREAM_DETECTS)


def call_pictures_and_recordings_artifacts(cursor: Cursor) -> None:
    """Rename the columns of redacted pictures, because they hold recordings too."""
    execute_all(cursor, schema_changes.RENAME_ARTIFACTS)


def number_tags(cursor: Cursor) -> None:
    """Create the table of the numbers of tags."""
    execute_all(cursor, schema.TAG_NUMBERS.statements())


def remember_redactions(cursor: Cursor) -> None:
    """Create the table that says with which rules stored texts were redacted again."""
    execute_all(cursor, schema.REDACTIONS.statements())


def remember_subjects_and_erasures(cursor: Cursor) -> None:
    """Store the hash of the person of a session, and what was erased."""
    execute_all(cursor, schema_changes.SUBJECTS, access_schema.ERASURES.statements())


def record_audit(cursor: Cursor) -> None:
    """Create the audit and its view."""
    execute_all(cursor, access_schema.AUDIT.statements(), views.V_AUDIT.statements())


def count_upload_attempts(cursor: Cursor) -> None:
    """Create the table of attempts to upload, so that a restart forgets no quota."""
    execute_all(cursor, access_schema.UPLOAD_ATTEMPTS.statements())


def keep_api_keys(cursor: Cursor) -> None:
    """Create the table of the API keys."""
    execute_all(cursor, access_schema.API_KEYS.statements())


def name_uploads(cursor: Cursor) -> None:
    """Add the columns of the display name of an upload."""
    execute_all(cursor, schema_changes.DISPLAY_NAMES)


def know_owners_and_approvers(cursor: Cursor) -> None:
    """Store who took part in a session and who approved, when a record expires, and ids that two clients gave."""
    execute_all(cursor, access_schema.PARTICIPANTS.statements(), schema_changes.SECOND_OWNERS, schema_changes.APPROVALS)


def read_recordings_in_places_of_their_own(cursor: Cursor) -> None:
    """Give the jobs that read uploads the kind of what they read: a picture or a recording."""
    execute_all(cursor, schema_changes.KINDS_OF_READING)


def keep_server_events(cursor: Cursor) -> None:
    """Create the table of what happens to the server, with its view, and store when a breaker changed."""
    execute_all(cursor, server_events.SERVER_EVENTS.statements())
    execute_all(cursor, schema_changes.BREAKER_CHANGES)
    execute_all(cursor, views.V_SERVER_EVENTS.statements())


def record_attempts(cursor: Cursor) -> None:
    """Create the table of attempts at jobs, and store the call and the build of a dead letter."""
    execute_all(cursor, job_attempts.JOB_ATTEMPTS.statements(), schema_changes.LETTER_FIELDS)
    execute_all(cursor, *(view.statements() for view in views.ATTEMPT_VIEWS))


def remember_letter_operations(cursor: Cursor) -> None:
    """Create the table of operations on many dead letters, and mark the letters of each."""
    execute_all(cursor, letter_operations.LETTER_OPERATIONS.statements(), letter_operations.MARKS)


def correct_device_clocks(cursor: Cursor) -> None:
    """Store when each event happened with the clock of its device corrected, and by which clock."""
    execute_all(cursor, schema_changes.EVENT_TIMES)


def declare_events(cursor: Cursor) -> None:
    """Create the table of declared events, and say that properties may be typed."""
    execute_all(cursor, event_declarations.EVENT_DECLARATIONS.statements(), list(event_declarations.COMMENTS))


def keep_daily_counts(cursor: Cursor) -> None:
    """Create the table of counts of deleted events, and the view of all counts by day."""
    execute_all(cursor, [*daily_events.DAILY_EVENTS.statements(), *daily_events.V_DAILY_EVENTS.statements()])


def remember_weekly_reports(cursor: Cursor) -> None:
    """Create the table of the weekly reports that were sent."""
    execute_all(cursor, weekly_reports.WEEKLY_REPORTS.statements())


def count_events_of_sessions(cursor: Cursor) -> None:
    """Store how many events the app of each session has stored, because they are bounded."""
    execute_all(cursor, event_counts.SESSION_EVENT_COUNTS)


def place_openings_first(cursor: Cursor) -> None:
    """Place the opening of each session no later than the events of its app."""
    execute_all(cursor, [*schema_changes.OPENINGS, *event_views.V_EVENTS.statements()])


def review_fields(cursor: Cursor) -> None:
    """Create the tables of reviews and the view of decisions about fields, and store how many approvals are needed."""
    execute_all(cursor, *(table.statements() for table in reviews_schema.REVIEW_TABLES))
    execute_all(cursor, [*reviews_schema.APPROVALS_NEEDED, *reviews_schema.V_FIELD_DECISIONS.statements()])


def say_which_replies_are_not_whole(cursor: Cursor) -> None:
    """Store why a reply is not whole, and show it to analysts."""
    execute_all(cursor, [*turn_views.CUT_REPLIES, *turn_views.V_TURNS_WITH_CUT.statements()])


def keep_flows(cursor: Cursor) -> None:
    """Create the table of flows, and store the flow of each session."""
    execute_all(cursor, [*flows.FLOWS.statements(), *flows.FLOW_OF_SESSION])
    execute_all(cursor, [*flows.V_SESSIONS_WITH_FLOWS.statements(), *flows.V_FLOWS.statements()])


def keep_sealed_values(cursor: Cursor) -> None:
    """Create the table of values that are sealed for other systems, and the view that says which there are."""
    execute_all(cursor, sealed_values.STATEMENTS)


def remember_why_records_were_rejected(cursor: Cursor) -> None:
    """Store the reason of a rejection with the record."""
    execute_all(cursor, schema_changes.DECIDE_REASONS)


def label_pictures(cursor: Cursor) -> None:
    """Add the column of the labels of pictures, and the view of them."""
    execute_all(cursor, [*picture_labels.LABELS, *picture_labels.V_PICTURE_LABELS.statements()])


def keep_answers(cursor: Cursor) -> None:
    """Create the table of answers in flows, and its view."""
    execute_all(cursor, answers.STATEMENTS)


def name_flows_of_decisions(cursor: Cursor) -> None:
    """Show the flow with each decision about a field, and say which erasures are by age."""
    execute_all(cursor, [*reviews_schema.V_FIELD_DECISIONS_WITH_FLOWS.statements(), *schema_changes.AGE_ERASES])


def remember_what_was_asked(cursor: Cursor) -> None:
    """Store with a turn the field that the person was asked for."""
    execute_all(cursor, turn_views.ASKED_FIELDS)


def keep_time_zones(cursor: Cursor) -> None:
    """Store the time zone of each session."""
    execute_all(cursor, schema_changes.TIME_ZONES)


def tell_removed_fields(cursor: Cursor) -> None:
    """Say that a decision about a field may remove others."""
    execute_all(cursor, [*reviews_schema.REMOVED_FIELDS, *reviews_schema.V_FIELD_DECISIONS_WITH_REMOVED.statements()])


def count_attempts_at_reports_from_the_first(cursor: Cursor) -> None:
    """Store from when on the time of the attempts at a weekly report counts."""
    execute_all(cursor, weekly_reports.FIRST_ATTEMPTS)


def keep_marks(cursor: Cursor) -> None:
    """Store with each migration whether a release that does not know it can use the ledger."""
    execute_all(cursor, schema_changes.MARKS)


def share_between_servers(cursor: Cursor) -> None:
    """Know the servers that share the ledger, and which connection has a stream."""
    execute_all(cursor, [*servers.SERVERS.statements(), *schema_changes.HELD_STREAMS])


def compare_speech_models(cursor: Cursor) -> None:
    """Create the table of the chosen weights for speech, and that of finals which a candidate recognised as well.

    A release that does not know the second one would erase a session and leave its comparisons.
    """
    execute_all(cursor, [*speech_models.SPEECH_MODELS.statements(), *model_comparisons.STATEMENTS])


ALL: Final[tuple[Migration, ...]] = (
    one_way(create_tables),
    one_way(remember_breakers),
    one_way(view_migrations.create_views),
    one_way(keep_words),
    one_way(view_migrations.tell_who_is_under_way),
    one_way(remember_who_detects),
    one_way(call_pictures_and_recordings_artifacts),
    one_way(number_tags),
    one_way(remember_redactions),
    one_way(remember_subjects_and_erasures),
    one_way(record_audit),
    one_way(count_upload_attempts),
    one_way(keep_api_keys),
    one_way(name_uploads),
    one_way(know_owners_and_approvers),
    one_way(read_recordings_in_places_of_their_own),
    one_way(keep_server_events),
    one_way(record_attempts),
    one_way(remember_letter_operations),
    one_way(correct_device_clocks),
    one_way(declare_events),
    one_way(view_migrations.count_funnels_over_events),
    one_way(view_migrations.break_funnels_down),
    one_way(view_migrations.count_who_comes_back),
    one_way(keep_daily_counts),
    one_way(remember_weekly_reports),
    one_way(view_migrations.give_funnels_a_shape),
    one_way(view_migrations.renew_macros),
    one_way(count_events_of_sessions),
    one_way(view_migrations.renew_macros),
    one_way(view_migrations.leave_deleted_events_out_of_the_funnel),
    one_way(place_openings_first),
    one_way(view_migrations.renew_macros),
    one_way(view_migrations.renew_macros),
    one_way(review_fields),
    one_way(say_which_replies_are_not_whole),
    one_way(keep_flows),
    one_way(keep_sealed_values),
    one_way(remember_why_records_were_rejected),
    one_way(label_pictures),
    one_way(keep_answers),
    one_way(name_flows_of_decisions),
    one_way(remember_what_was_asked),
    one_way(keep_time_zones),
    one_way(tell_removed_fields),
    one_way(view_migrations.tell_stages_of_flows),
    one_way(count_attempts_at_reports_from_the_first),
    one_way(view_migrations.show_expiry_and_sources),
    one_way(view_migrations.renew_macros),
    one_way(view_migrations.leave_new_sessions_out_of_the_funnel),
    one_way(view_migrations.renew_macros),
    one_way(keep_marks),
    one_way(share_between_servers),
    one_way(compare_speech_models),
)
