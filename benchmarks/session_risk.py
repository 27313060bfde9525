"""Does the risk of a running session come true, and what does it cost?

    python -m benchmarks.session_risk [--designs NAME ...] [--sessions N] [--seeds N] [--truth N] [--loans FILE]
                                      [--cost]

Simulated quarters, and a real loan log. The peers learn from the first 80 % of the same sessions at the same moments,
and all are checked on the last 20 %, in the order in which sessions were opened:

ours       what the server does
share      the same risk for every session in a stage
logistic   a plain logistic regression on all numbers, not calibrated
trees      boosted trees (scikit-learn's HistGradientBoosting), not calibrated

skill      1 - Brier / Brier of the share: 1 is perfect, 0 is no better
AUC        chance that the session that was abandoned had the higher risk
off        mean distance between risk and share, in ten groups by risk, in points
predicted  groups of the check whose interval holds the predicted share
truth      groups of a second, large quarter whose share lies in the interval that the server gives for their sessions

``--cost`` tells the milliseconds of a call, and the CPU seconds and memory of learning.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks._risk_quarter import BEGIN, DAYS, DESIGNS, IDLE_S, LOAN_IDLE_S, past_quarter, store_loans, store_quarter
from server.ledger import sessions
from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionState
from server.risk.features import FEATURES
from server.risk.fit_process import fit_in_process
from server.risk.fitting import MOST_MOMENTS, Rules, fit, pandas_unmarked
from server.risk.model import RiskModel, assess, interval_of
from server.risk.moments import moments_of
from server.risk.reading import PastSessions, read_past, read_running
from server.risk.states import StageStates, draw_states

Numbers = npt.NDArray[np.float64]
END = BEGIN + timedelta(days=DAYS + 1)
LEAST = 200


@dataclass(frozen=True)
class Stored:
    """Past sessions of one ledger."""

    past: PastSessions
    now: datetime
    idle_s: float


def stored(fill: Callable[[DuckDb], datetime | None], idle_s: float, days: float = DAYS + 10) -> Stored:
    """Write sessions into a new ledger and read them as the server does."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = EmbeddedLedger.open(Path(folder) / "ledger.duckdb")
        try:
            now = asyncio.run(ledger.write(fill)) or END
            past = asyncio.run(ledger.read(lambda cursor: read_past(cursor, now, days, idle_s)))
        finally:
            ledger.close()
    return Stored(past, now, idle_s)


def quarter(design: str, number: int, seed: int) -> Stored:
    """A simulated quarter."""
    return Stored(past_quarter(DESIGNS[design], number, seed), END, IDLE_S)


def judged(found: Stored, fresh: Stored | None) -> list[dict[str, Any]]:
    """A row for each stage and method."""
    with pandas_unmarked():
        return list(_judged(found, fresh))


def _judged(found: Stored, fresh: Stored | None) -> Iterator[dict[str, Any]]:
    model = fit(found.past, Rules(found.idle_s, LEAST), found.now)
    states = draw_states(found.past.sessions, found.past.events, found.idle_s, MOST_MOMENTS)
    again = draw_states(fresh.past.sessions, fresh.past.events, IDLE_S, 60_000, seed=1) if fresh else {}
    for stage, part in model.stages.items():
        seen = states[SessionState(stage)]
        row: dict[str, Any] = {"stage": str(stage), "status": str(part.status), "sessions": part.sessions}
        if part.quality is None:
            yield row
            continue
        row["predicted"] = f"{len(part.quality.groups) - part.quality.outside} of {len(part.quality.groups)}"
        last = ~moments_of(seen).known
        came = np.array(seen.abandoned, dtype=float)
        risks = {"share": np.full(int(last.sum()), came[~last].mean()), **_peers(seen, ~last, last)}
        if part.formula is not None:
            risks["ours"] = _risks(model, str(stage), seen, last)
        for name, risk in risks.items():
            made = row | {"method": name} | _figures(risk, came[last], float(came[~last].mean()))
            if name == "ours" and part.formula is not None:
                made["kind"] = part.formula.score.kind
            if fresh and name == "ours":
                made["truth"] = _held(model, str(stage), again[SessionState(stage)])
            yield made
        if part.formula is None:  # the server gives no risk, and these are the figures for which it gives none
            quality = part.quality
            yield row | {
                "method": "ours, not given",
                "brier": round(quality.brier, 4),
                "skill": round(quality.skill, 3),
                "auc": round(quality.auc, 3),
            }


def _risks(model: RiskModel, stage: str, states: StageStates, rows: npt.NDArray[np.bool_]) -> Numbers:
    formula = {str(name): part.formula for name, part in model.stages.items()}[stage]
    assert formula is not None
    places = np.flatnonzero(rows).tolist()
    return np.array([formula.risk(states.known(row)) for row in places])


def _peers(states: StageStates, learn: npt.NDArray[np.bool_], last: npt.NDArray[np.bool_]) -> dict[str, Numbers]:
    names = [name for name, kind in FEATURES.items() if kind == "number"]
    columns = np.array([[-1.0 if v is None else float(v) for v in states.features[name]] for name in names]).T
    came = np.array(states.abandoned)
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    methods = {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
        "trees": HistGradientBoostingClassifier(random_state=0),
    }
    return {
        name: method.fit(columns[learn], came[learn]).predict_proba(columns[last])[:, 1]
        for name, method in methods.items()
    }


def _figures(risk: Numbers, came: Numbers, base: float) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    brier = float(((risk - came) ** 2).mean())
    groups = np.array_split(np.argsort(risk, kind="stable"), 10)
    return {
        "brier": round(brier, 4),
        "skill": round(1 - brier / float(((base - came) ** 2).mean()), 3),
        "auc": round(float(roc_auc_score(came, risk)), 3),
        "off": round(100 * float(np.mean([abs(risk[rows].mean() - came[rows].mean()) for rows in groups])), 1),
    }


def _held(model: RiskModel, stage: str, states: StageStates) -> str:
    """Groups of fresh sessions with a similar risk whose share lies in the mean interval of their sessions."""
    part = {str(name): each for name, each in model.stages.items()}[stage]
    assert part.quality is not None
    risks = _risks(model, stage, states, np.ones(len(states.session), dtype=bool))
    came, held = np.array(states.abandoned, dtype=float), 0
    groups = np.array_split(np.argsort(risks, kind="stable"), 10)
    for rows in groups:
        bounds = [interval_of(risk, part.quality.groups)[0] for risk in risks[rows].tolist()]
        low, high = np.mean([each.low for each in bounds]), np.mean([each.high for each in bounds])
        held += bool(low <= came[rows].mean() <= high)
    return f"{held} of {len(groups)}"


def cost(number: int) -> dict[str, float]:
    """What a call and a model cost."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = EmbeddedLedger.open(Path(folder) / "ledger.duckdb")
        asyncio.run(ledger.write(lambda cursor: store_quarter(cursor, DESIGNS["plain"], number, 1)))
        cursor = ledger.cursor()
        began = time.process_time()
        past = read_past(cursor, END, DAYS + 10, IDLE_S)
        read_s = time.process_time() - began
        model = asyncio.run(fit_in_process(past, IDLE_S, LEAST, END, 600))
        child = resource.getrusage(resource.RUSAGE_CHILDREN)
        ids = [
            row[0] for row in cursor.execute("SELECT id FROM sessions ORDER BY create_time DESC LIMIT 200").fetchall()
        ]
        times = [_call_ms(cursor, model, each) for each in ids]
        events = cursor.execute("SELECT count(*) FROM events").fetchall()[0][0]
        cursor.close()
        ledger.close()
    return {
        "sessions": number,
        "events": events,
        "call_cpu_ms_median": round(float(np.median(times)), 2),
        "call_cpu_ms_99": round(float(np.quantile(times, 0.99)), 2),
        "reading_cpu_s": round(read_s, 2),
        "learning_cpu_s": round(child.ru_utime + child.ru_stime, 1),
        "learning_peak_mib": round(child.ru_maxrss / 1024),
    }


def _call_ms(cursor: DuckDb, model: RiskModel, session_id: str) -> float:
    began = time.process_time()
    session = sessions.get(cursor, session_id)
    known = read_running(cursor, session)
    assess(model, "IN_PROGRESS", known.at(session.create_time.timestamp() + 3600))
    return 1000 * (time.process_time() - began)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", nargs="*", choices=list(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--truth", type=int, default=20_000, help="Sessions of the quarter that tells the truth; or 0.")
    parser.add_argument("--loans", type=Path, help="The log BPI 2012 as CSV, case by case.")
    parser.add_argument("--cost", action="store_true")
    given = parser.parse_args()
    for design in given.designs:
        large = quarter(design, given.truth, 9999) if given.truth else None
        for seed in range(given.first_seed, given.first_seed + given.seeds):
            found = quarter(design, given.sessions, seed)
            for row in judged(found, large):
                print(json.dumps({"design": design, "seed": seed} | row), flush=True)
    if given.loans:
        for row in judged(stored(lambda cursor: store_loans(cursor, given.loans), LOAN_IDLE_S, 400), None):
            print(json.dumps({"design": "loans"} | row), flush=True)
    if given.cost:
        print(json.dumps(cost(given.sessions)), flush=True)


if __name__ == "__main__":
    main()
