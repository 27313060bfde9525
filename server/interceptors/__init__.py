"""What every RPC passes through, outermost first.

1. ``observe``   correlation id, one log line and the metrics of every call
2. ``errors``    our errors become statuses with details; anything else becomes INTERNAL without a trace
3. ``drain``     new calls are refused while the server ends
4. ``validate``  messages are checked against the rules in the protos

The list is built by ``interceptors``; access control will be the step between ``drain`` and ``validate``.
"""

from __future__ import annotations

from server.interceptors.around import Around, AroundInterceptor
from server.interceptors.drain import Drain
from server.interceptors.errors import MapErrors
from server.interceptors.observe import Observe
from server.interceptors.validate import Validate
from server.lifecycle import Lifecycle
from server.metrics import Metrics


def interceptors(lifecycle: Lifecycle, metrics: Metrics) -> list[AroundInterceptor]:
    """The steps above, in their order."""
    steps: list[Around] = [Observe(metrics), MapErrors(), Drain(lifecycle), Validate()]
    return [AroundInterceptor(step) for step in steps]
