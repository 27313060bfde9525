"""The conversation without gRPC, Ray or a model."""
