"""The only place with network, disk state and remote calls."""
