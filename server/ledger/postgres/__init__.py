"""PostgreSQL under the functions over a cursor; see ``dialects``."""
