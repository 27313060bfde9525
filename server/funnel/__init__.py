"""Where people leave a funnel, what goes with it, and what mending it should bring."""
