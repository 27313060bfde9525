"""Names of countries in many languages, from the data of ``phonenumbers``."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

import phonenumbers


def _country_names() -> dict[str, dict[str, str]]:
    """Load the one file that has the names.

    Its package would be imported in the usual way, too: half a second of CPU, and 98 MB, in every process.
    """
    path = Path(phonenumbers.__file__).parent / "geodata" / "locale.py"
    spec = spec_from_file_location("phonenumbers.geodata.locale", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    names: dict[str, dict[str, str]] = module.LOCALE_DATA
    return names


COUNTRY_NAMES: Final = _country_names()
"""By ISO 3166-1 code, the name by ISO 639-1 code of the language; "aa" is English, "*de" the name in that language."""
