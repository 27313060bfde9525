"""Conversion of messages, and the interceptors that every RPC passes."""
