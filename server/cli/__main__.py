"""`python -m server.cli`, the same as `vestibule`."""

from server.cli.main import main

main()
