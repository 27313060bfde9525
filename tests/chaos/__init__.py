"""Kills what can be killed while real clients work, and counts afterwards what was lost, done twice, or leaked."""

from server.settings import prepare_process

prepare_process()  # before anything imports gRPC, which else writes a line for each broken connection
