"""Numbers and times as a reader of a language expects them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isinf, log10
from typing import Final, Protocol

from server.times import shown_length

TO: Final = "\N{NO-BREAK SPACE}\N{EN DASH} "
"""Between the bounds of an interval."""
_THOUSANDS: Final = {"en": ",", "de": ".", "es": "\N{NARROW NO-BREAK SPACE}"}
_SMALLEST: Final = 1e-6
_LARGEST: Final = 1e15
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Range(Protocol):
    """An estimate with its interval, such as the message ``Estimate``."""

    @property
    def low(self) -> float:
        """Lower bound."""

    @property
    def high(self) -> float:
        """Upper bound."""


class Count(str):
    """A count as it is written. In a text, ``{n:session|sessions}`` is the first word for one and else the second."""

    __slots__ = ()

    def __format__(self, forms: str) -> str:
        """The count itself without forms.

        Raises:
            ValueError: There are not two forms.
        """
        if not forms:
            return str(self)
        one, several = forms.split("|")
        return one if self == "1" else several


@dataclass(frozen=True, slots=True)
class Formats:
    """How numbers are written in one language.

    Attributes:
        language: ISO 639-1 code.
    """

    language: str

    def count(self, value: float) -> Count:
        """A count: ``1,234``."""
        return Count(self._grouped(f"{round(value):,}"))

    def counts(self, found: Range) -> str:
        """The bounds of an interval of counts: ``1,200 to 1,300``."""
        return f"{self.count(found.low)}{TO}{self.count(found.high)}"

    def decimal(self, value: float, digits: int = 1) -> str:
        """A number with a fraction: ``2.4``; without one from 100 on."""
        whole, point, fraction = f"{value:,.{digits if abs(value) < 100 else 0}f}".partition(".")
        point = "," if point and self.language != "en" else point
        return self._grouped(whole) + point + fraction

    def figure(self, value: float) -> str:
        """A number of any size, with three digits or all before the point: ``6,100``, ``8.5``, ``0.00012``.

        Where that would take very many digits, a power of ten follows.
        """
        value += 0.0  # so that -0.0 has no sign
        size = abs(value)
        if size and not _SMALLEST <= size < _LARGEST:
            digits, _, power = f"{value:.2e}".partition("e")
            return f"{self._plain(digits)} \N{MULTIPLICATION SIGN} 10{str(int(power)).translate(_RAISED)}"
        return self._plain(f"{value:,.{max(0, 2 - floor(log10(size))) if size else 0}f}")

    def _plain(self, text: str) -> str:
        """An English number as one of the language, without zeros at its end."""
        whole, point, fraction = text.partition(".")
        fraction = fraction.rstrip("0")
        return self._grouped(whole) + ((point if self.language == "en" else ",") + fraction if fraction else "")

    def _grouped(self, digits: str) -> str:
        """Digits in groups of three; Spanish groups from five digits on."""
        ungrouped = self.language == "es" and len(digits.strip("-")) <= len("9,999")
        return digits.replace(",", "" if ungrouped else _THOUSANDS[self.language])

    def decimals(self, found: Range) -> str:
        """The bounds of an interval: ``1.9 to 3.1``."""
        return f"{self.decimal(found.low)}{TO}{self.decimal(found.high)}"

    def percent(self, share: float) -> str:
        """A share in [0, 1]: ``45.1 %``."""
        return f"{self.decimal(100 * share)}\N{NO-BREAK SPACE}%"

    def percents(self, found: Range) -> str:
        """The bounds of an interval of shares: ``41.0 to 49.2 %``."""
        return f"{self.decimal(100 * found.low)}{TO}{self.percent(found.high)}"

    def signed(self, value: float, digits: int = 1) -> str:
        """A change: ``+4.6``; an infinity sign where there is no bound."""
        sign = "+" if value >= 0 else "\N{MINUS SIGN}"
        return sign + ("\N{INFINITY}" if isinf(value) else self.decimal(abs(value), digits))

    def rise(self, share: float) -> str:
        """A change as a share: ``+12.3 %``."""
        return f"{self.signed(100 * share)}\N{NO-BREAK SPACE}%"

    def length(self, seconds: float) -> str:
        """A length of time, such as ``12.3 s``; see ``shown_length``."""
        text = shown_length(seconds)
        return text if self.language == "en" else text.replace(".", ",")
