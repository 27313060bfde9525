"""From nothing to an approved record over TLS, then backup, loss and restore: the steps of a new user, by a script."""
