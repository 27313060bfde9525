"""The demo: a server, a scripted upstream and a player of the mobile app, each in a process of its own."""
