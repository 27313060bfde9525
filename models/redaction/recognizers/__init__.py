"""The recognizers, one entity type a file. ``all`` lists them; each can be imported without the others."""
