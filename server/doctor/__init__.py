"""Looks at what a server needs, before it is started or beside it. Nothing here changes anything.

Each check is a function from a ``Situation`` to findings. ``checks.CHECKS`` is the list of all, in the order of the
report; ``run.run_checks`` runs them. `vestibule doctor` prints what they find.
"""
