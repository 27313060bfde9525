"""One class a gRPC service."""
