"""Why a reviewer corrects or rejects: the words that the console offers and the guide for reviewers names.

They are stored as they are, so that they can be counted. Alone, the redactor reads some of them as names of persons.
"""

from __future__ import annotations

from typing import Final

FIELD_REASONS: Final = ("misread", "misheard", "wrong_source", "outdated", "not_supported", "other")
"""Of a value; the console offers them in this order."""
RECORD_REASONS: Final = ("wrong_person", "incomplete", "unreadable", "duplicate", "fraud_suspected", "other")
"""Of a whole record; the console offers them in this order."""
MORE_REASONS: Final = ("wrong_unit", "not_in_picture")
"""Further ones of a value. The console does not offer them."""
KNOWN_REASONS: Final = frozenset({*FIELD_REASONS, *RECORD_REASONS, *MORE_REASONS})
