"""Circuit breakers: one for each upstream, their states over restarts, and the probes that close them."""
