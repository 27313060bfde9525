"""Words of each language as data: one folder a language, one YAML file a subject."""
