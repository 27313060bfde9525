"""Random and mutated input at every place that takes something from a stranger. ``make fuzz`` runs it.

Each try has a number, and the number alone decides what is sent, so a finding can be repeated. What was found is saved
in ``seeds/`` and replayed by tests/unit/fuzz.
"""

from server.settings import prepare_process

prepare_process()  # before anything imports gRPC, which is then as quiet as in the server
