"""Pure engines, value types and policies: no gRPC, no Ray, no database, no environment."""
