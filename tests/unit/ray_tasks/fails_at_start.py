"""Run in the place of the process that owns Ray: it ends with an error."""

raise ImportError("cannot import name 'nothing'")
