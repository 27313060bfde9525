"""What every RPC passes through, in a visible order."""
