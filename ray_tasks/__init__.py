"""The only place that imports Ray."""

import os

# ONNX Runtime sends usage data to its maker unless it is told not to before it is loaded. Workers on a joined cluster
# do not inherit the environment of the server.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
