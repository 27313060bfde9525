"""The demo: a server, a scripted stand-in for the remote LLM, an app and an analyst."""
