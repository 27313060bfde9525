"""The web console: pages of the funnel, of the health and of dead letters, for people with a browser.

Pages call the gRPC services as whoever is logged in, with the same checks. They work without
a script; with one, they show what changes as it does.
"""
