"""Conversion between our values and protobuf messages, and the interceptors of every RPC."""
