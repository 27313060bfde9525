"""Reads the sessions of experiments from the ledger.

A session counts once it had its time: leaving is known only after a session was idle for long, so younger ones would
make every variant look better than it is. A person with several sessions counts once, by the first.
A mark that an app gave by itself counts only if the experiment takes its client. Where versions of a flow are compared,
only sessions of that flow count, in the version of their mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from server.experiments.samples import Values
from server.experiments.types import Experiment
from server.ledger.columns import DuckDb, aware, count, fetch_all, stored_time, stored_time_or_none

BEFORE: Final = timedelta(days=28)
"""How long before an experiment, or before now, sessions tell what is usual."""

FEWEST_BEFORE: Final = 20
"""Sessions of one client and language from before; fewer tell nothing."""

MOST_REFUSALS: Final = 20
REFUSAL_WINDOW: Final = timedelta(minutes=5)
"""Of a client with so many refusals of uploads in this time, further ones became no events."""

_OPENED = """
opened AS (
    SELECT id, client_id, language, subject_hash, variant, create_time, state, stage_time,
        create_time + to_milliseconds($settle_ms) AS due,
        row_number() OVER (
            PARTITION BY coalesce(nullif(subject_hash, ''), id) ORDER BY create_time, id) AS nth
    FROM sessions
    WHERE list_contains($marks, variant) AND $flow IN ('', flow)
        AND $versions[list_position($marks, variant)] IN (0, flow_version)
        AND create_time >= $start AND ($end IS NULL OR create_time < $end)
        AND ($client = '' OR client_id = $client)
        AND (len($clients::VARCHAR[]) = 0 OR list_contains($clients::VARCHAR[], client_id)))"""

_SIZES = f"""WITH {_OPENED}
SELECT variant, count(*) FILTER (WHERE nth = 1) AS units, count(*) FILTER (WHERE nth > 1) AS repeats
FROM opened GROUP BY variant"""  # noqa: S608 - a literal of ours

_COUNTED = f"""WITH {_OPENED},
counted AS (SELECT * FROM opened WHERE nth = 1 AND due <= $now),
said AS (
    SELECT c.id, count(*) AS texts, count(*) FILTER (WHERE NOT t.text_safe) AS unsafe
    FROM counted AS c JOIN turns AS t ON t.session_id = c.id AND t.create_time <= c.due GROUP BY c.id),
sent AS (
    SELECT c.id, count(*) AS uploads, count(*) FILTER (WHERE u.state = 'FAILED') AS failed,
        count(u.text_safe) AS texts, count(*) FILTER (WHERE NOT u.text_safe) AS unsafe
    FROM counted AS c JOIN uploads AS u ON u.session_id = c.id AND u.create_time <= c.due
    WHERE u.state IN ('DONE', 'FAILED') GROUP BY c.id),
noted AS (
    SELECT c.id, count(*) FILTER (WHERE e.name = 'upload_refused') AS refused,
        median(try_cast(e.properties ->> 'delay_ms' AS DOUBLE)) / 1000 AS final_delay_s
    FROM counted AS c JOIN events AS e ON e.session_id = c.id AND e.server_time <= c.due
    WHERE e.name IN ('turn_finished', 'upload_refused') AND e.device_time IS NULL GROUP BY c.id),
thinned AS (
    SELECT DISTINCT client_id FROM (
        SELECT client_id, try_cast(properties ->> 'left_out' AS BIGINT) AS left_out, server_time
            - lag(server_time, $most_refusals - 1) OVER (PARTITION BY client_id ORDER BY server_time) AS took
        FROM events
        WHERE name = 'upload_refused' AND device_time IS NULL AND server_time >= $start AND server_time <= $now)
    WHERE left_out > 0 OR took < $refusal_window),
usual AS (
    SELECT client_id, language, avg(CASE WHEN state = 'COMPLETED'
        AND stage_time <= create_time + to_milliseconds($settle_ms) THEN 1.0 ELSE 0.0 END) AS rate
    FROM sessions
    WHERE create_time >= $before AND create_time < $start AND create_time + to_milliseconds($settle_ms) <= $now
        AND ($client = '' OR client_id = $client)
    GROUP BY ALL HAVING count(*) >= $fewest),
own AS (
    SELECT subject_hash, (count(*) FILTER (WHERE state = 'COMPLETED'
        AND stage_time <= create_time + to_milliseconds($settle_ms)) + 1) / (count(*) + 2) AS own
    FROM sessions SEMI JOIN counted USING (subject_hash)
    WHERE subject_hash <> '' AND create_time + to_milliseconds($settle_ms) <= $start
        AND ($client = '' OR client_id = $client)
    GROUP BY ALL)
SELECT c.variant, (c.state = 'COMPLETED' AND c.stage_time <= c.due)::DOUBLE AS completed,
    (coalesce(said.texts, 0) + coalesce(sent.texts, 0))::DOUBLE AS texts,
    (coalesce(said.unsafe, 0) + coalesce(sent.unsafe, 0))::DOUBLE AS unsafe,
    coalesce(final_delay_s, 'nan'::DOUBLE) AS final_delay_s,
    (coalesce(uploads, 0) + coalesce(refused, 0))::DOUBLE AS uploads,
    (coalesce(failed, 0) + coalesce(refused, 0))::DOUBLE AS failed,
    coalesce(rate, 'nan'::DOUBLE) AS usual, coalesce(own, 'nan'::DOUBLE) AS own,
    (thinned.client_id IS NOT NULL)::DOUBLE AS thinned
FROM counted AS c LEFT JOIN said USING (id) LEFT JOIN sent USING (id) LEFT JOIN noted USING (id)
    LEFT JOIN usual ON usual.client_id = c.client_id AND usual.language = c.language
    LEFT JOIN own ON own.subject_hash = c.subject_hash
    LEFT JOIN thinned ON thinned.client_id = c.client_id"""  # noqa: S608 - literals of ours

_OF_CLIENTS = """($visible_to = '' OR client_id = $visible_to)
    AND (len($clients::VARCHAR[]) = 0 OR list_contains($clients::VARCHAR[], client_id))"""

_TRAFFIC = f"""SELECT count(*) AS sessions, min(create_time) AS first,
    count(*) FILTER (WHERE state = 'COMPLETED' AND stage_time <= create_time + to_milliseconds($settle_ms)) AS completed
FROM sessions WHERE create_time >= $since AND create_time < $until AND {_OF_CLIENTS}"""  # noqa: S608 - literals of ours

_EARLIER = f"SELECT count(*) FROM sessions WHERE create_time < $since AND {_OF_CLIENTS}"  # noqa: S608 - literals of ours


@dataclass(frozen=True, slots=True)
class VariantSessions:
    """The sessions of one variant. Arrays have a number for each session that counts.

    Attributes:
        opened: Sessions so far, also those that do not count yet.
        repeats: Further sessions of persons, which never count.
        completed: 1 or 0.
        texts: What was said, typed or read in uploads.
        unsafe: Of these, those that are not safe for the LLM.
        final_delay_s: Median of the seconds from the end of an utterance to its final text; NaN without speech.
        uploads: Uploads that were read, failed or were refused.
        failed: Of these, those that failed or were refused.
        usual: Share of completed sessions of the same client and language before the experiment; NaN if not known.
        own: Share of completed sessions of the same person before the experiment, with one completed and one not added,
            so that few of them say less; NaN if not known.
        thinned: 1 where refusals of uploads of the same client were so many that some became no events; else 0.
    """

    opened: int
    repeats: int
    completed: Values
    texts: Values
    unsafe: Values
    final_delay_s: Values
    uploads: Values
    failed: Values
    usual: Values
    own: Values
    thinned: Values


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is usual for new sessions.

    Attributes:
        rate: Share that is completed in time; 0 without sessions.
        per_day: Sessions that are opened in a day.
        sessions: How many of them this rests on.
        since: They were opened at or after this time.
        until: They were opened before this time.
    """

    rate: float
    per_day: float
    sessions: int
    since: datetime
    until: datetime


def read_sessions(cursor: DuckDb, experiment: Experiment, now: datetime, client_id: str = "") -> list[VariantSessions]:
    """The sessions of each variant, in the order of the variants.

    Args:
        cursor: Of a read.
        experiment: Whose sessions.
        now: Sessions count whose time is over now.
        client_id: Only sessions of this client; empty means every client.
    """
    start = stored_time(experiment.start)
    chosen: dict[str, Any] = {
        "marks": [experiment.label(variant) for variant in experiment.variants],
        "versions": [variant.changes.flow_version for variant in experiment.variants],
        "flow": experiment.only_flow,
        "start": start,
        "end": stored_time_or_none(experiment.end),
        "client": client_id,
        "clients": sorted(experiment.clients | experiment.pseudonyms),
        "settle_ms": round(experiment.counts_after_s * 1000),
    }
    sizes = {row["variant"]: row for row in fetch_all(cursor, _SIZES, chosen)}
    more = {"now": stored_time(now), "before": start - BEFORE, "fewest": FEWEST_BEFORE}
    more |= {"most_refusals": MOST_REFUSALS, "refusal_window": REFUSAL_WINDOW}
    columns = cursor.execute(_COUNTED, chosen | more).fetchnumpy()
    of_variant = columns.pop("variant")
    nothing = {"units": 0, "repeats": 0}
    found = []
    for mark in chosen["marks"]:
        size, mine = sizes.get(mark, nothing), of_variant == mark
        values = {name: np.asarray(column[mine], dtype=np.float64) for name, column in columns.items()}
        found.append(VariantSessions(size["units"], size["repeats"], **values))
    return found


def read_traffic(
    cursor: DuckDb, now: datetime, settle_s: float, clients: Sequence[str] = (), visible_to: str = ""
) -> Traffic:
    """What is usual in the last four weeks of sessions that had their time.

    Args:
        cursor: Of a read.
        now: The time now.
        settle_s: Seconds from opening until a session counts.
        clients: Only sessions of these clients; empty means every client.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
    """
    mine = {"clients": list(clients), "visible_to": visible_to}
    until = stored_time(now - timedelta(seconds=settle_s))
    span = aware(until - BEFORE), aware(until)
    settle_ms = round(settle_s * 1000)
    bounds = {"since": until - BEFORE, "until": until, "settle_ms": settle_ms}
    [row] = fetch_all(cursor, _TRAFFIC, mine | bounds)
    if not row["sessions"]:
        return Traffic(0.0, 0.0, 0, *span)
    earlier = count(cursor, _EARLIER, mine | {"since": until - BEFORE})
    # A server that is younger than four weeks had fewer days for them.
    days = BEFORE.days if earlier else max(1.0, (until - row["first"]) / timedelta(days=1))
    return Traffic(row["completed"] / row["sessions"], row["sessions"] / days, row["sessions"], *span)
