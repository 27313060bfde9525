"""A corpus for the slot tagger: what people say when they give a value, and what recognition makes of it."""
