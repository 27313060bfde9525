"""PostgreSQL under the functions over a cursor. It is not complete, and no setting leads to it; see ``dialects``."""
