"""The weekly funnel report: what changed since the week before and why that may be, sent by schedule."""
