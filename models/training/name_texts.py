"""The lines that the heads of the classifier are fitted to, and labelled sets by which they are judged."""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from models.redaction.lexicons.loader import checked
from models.redaction.ner.gazetteer import LANGUAGES, frequencies, read_people, words_file
from models.redaction.normalize.transliterate import transliterated
from models.redaction.normalize.view import TextView, original
from models.training.harmless_hindi import LEARNED_HINDI
from models.training.harmless_sentences import COMPANIES, HARMLESS
from models.training.labelled_sets import read_labelled

FILLINGS = 6
"""Times that a sentence is read with other names in it."""
HARMLESS_READINGS = 4
HARMLESS_WEIGHT = 4.0
SLOT = re.compile(r"\{([gsnxp])\}")
"""In the sentences: a given name, a surname, both, a single name, a name that is a place or a word."""
SENTENCES = Path(__file__).resolve().parent / "name_sentences"
MESSAGES = Path(__file__).resolve().parent / "message_sentences"
"""More of them, which only the slot tagger learns from."""
WORD_NAMES = checked(Path(__file__).with_name("word_names.yaml").read_text("utf-8"), "word_names")
"""Names that are also places or words, by language."""
_COMMON = 28 * 4.2
"""Words more frequent than one in 60,000, as ``frequencies`` counts."""
NATIONS: Mapping[str, Set[str]] = {
    "de": {"German", "Austrian", "Swiss"},
    "es": {"Spanish", "Mexican", "Argentine", "Chilean", "Colombian"},
    "fr": {"French", "Belgian"},
    "hi": {"Indian", "Nepalese"},
    "en": {"American", "English", "Indian", "Irish", "Canadian", "Nigerian", "Chinese", "Mexican", "Polish", "Turkish"},
    "pt": {"Portuguese", "Brazilian", "Angolan"},
    "it": {"Italian"},
}

Span = tuple[int, int, str]


@dataclass(frozen=True)
class Text:
    """A labelled text, as the classifier reads it.

    Attributes:
        group: Name of its set.
        text: In Latin letters.
        spans: What is labelled in it.
        language: ISO 639-1.
        weight: How much it counts.
    """

    group: str
    text: str
    spans: tuple[Span, ...]
    language: str
    weight: float = 1.0


def read_sets(data: Path) -> Iterator[Text]:
    """The labelled texts of external sets. They are used for evaluation only, never for fitting."""
    for row in read_labelled(data):
        view = transliterated(row.text) or original(row.text)
        spans = tuple((*_in_view(view, start, end), kind) for start, end, kind in row.spans)
        yield Text(row.group, view.text, spans, row.language)


def _in_view(view: TextView, start: int, end: int) -> tuple[int, int]:
    """A stretch of the original in the view."""
    return bisect_right(view.ends, start), bisect_left(view.starts, end)


def read_sentences(folder: Path, source: NameSource, chance: random.Random) -> Iterator[Text]:
    """Our sentences, those with names several times with different ones."""
    for path in sorted(folder.glob("*.txt")):
        language = "hi" if path.stem == "hinglish" else path.stem[:2]
        for line in path.read_text(encoding="utf-8").splitlines():
            frame = _latin(line)
            names = SLOT.search(frame) is not None
            for number in range(FILLINGS if names else HARMLESS_READINGS):
                text, spans = filled(frame if number % 2 == 0 else source.with_typos(frame), language, source, chance)
                yield Text(path.stem, text, spans, language, 1.0 if names else HARMLESS_WEIGHT / HARMLESS_READINGS)


def harmless_lines() -> Iterator[Text]:
    """Our sentences in which nobody is named."""
    for language, line in (*HARMLESS, *COMPANIES, *LEARNED_HINDI):
        yield Text("harmless", _latin(line), (), language, HARMLESS_WEIGHT)


def _latin(line: str) -> str:
    """A sentence as the classifier reads it, with its slots as they are."""
    pieces = SLOT.split(line)  # text, slot, text, slot, ..., text
    texts = [(view.text if (view := transliterated(piece)) else piece) for piece in pieces[::2]]
    slots = [f"{{{kind}}}" for kind in pieces[1::2]]
    return "".join(part for pair in zip(texts, [*slots, ""], strict=True) for part in pair)


def filled(frame: str, language: str, source: NameSource, chance: random.Random) -> tuple[str, tuple[Span, ...]]:
    """A sentence with names in its slots, and where they are."""
    rest = SLOT.sub("", frame)
    lower = rest.islower() and chance.random() < 0.7
    pieces, spans, at, length = [], [], 0, 0
    for slot in SLOT.finditer(frame):
        name = source.name(slot[1], language)
        name = name.upper() if rest.isupper() else name.lower() if lower else name
        pieces += [frame[at : slot.start()], name]
        length += slot.start() - at
        spans.append((length, length + len(name), "PERSON"))
        length += len(name)
        at = slot.end()
    return "".join([*pieces, frame[at:]]), tuple(spans)


class NameSource:
    """Full names by nation, from the pinned lists."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        people = read_people(folder / "name2nats.pkl")
        self._chance = chance
        self._pools = {
            language: [n for n, of in people.items() if not wanted.isdisjoint(of) and 2 <= len(n.split()) <= 3]
            for language, wanted in NATIONS.items()
        }

    def name(self, kind: str, language: str) -> str:
        """A name for a slot; a fifth of the people come from elsewhere, and a third are spelled as no list has them."""
        if kind == "p" and language in WORD_NAMES:
            return self._chance.choice(WORD_NAMES[language])
        home = language if self._chance.random() < 0.8 else self._chance.choice(list(self._pools))
        given, *_, surname = self.full(home).replace("-", " ").split()
        if self._chance.random() < 0.35:
            given, surname = self._respelled(given), self._respelled(surname)
        if home == "hi":  # written without the last vowel as often as with it
            given, surname = (
                w.removesuffix("a") if len(w) > 4 and self._chance.random() < 0.5 else w for w in (given, surname)
            )
        if kind == "n":
            middle = [self._chance.choice("ABCDEFGHJKLMNPRSTVW") + "."] if self._chance.random() < 0.1 else []
            return " ".join([given, *middle, surname])
        return surname if kind == "s" else given

    def full(self, language: str) -> str:
        """A full name."""
        return self._chance.choice(self._pools[language])

    def with_typos(self, frame: str) -> str:
        """The sentence with every tenth word mistyped: a word that no list knows is not yet a name."""
        words = frame.split(" ")
        return " ".join(self._respelled(w) if w.isalpha() and self._chance.random() < 0.1 else w for w in words)

    def _respelled(self, word: str) -> str:
        at = self._chance.randrange(len(word))
        letter = self._chance.choice("aeioulnrstk")
        return word[: at + 1] + letter + word[at + 1 + self._chance.randrange(2) :]


def short_answers(folder: Path, source: NameSource, chance: random.Random, count: int = 400) -> Iterator[Text]:
    """Texts of a word or two in every language, as people answer: half of them names, half plain words."""
    for language in LANGUAGES:
        words = common_words(folder, language)
        for _ in range(count):
            plain = " ".join(chance.choices(words, k=chance.choice((1, 1, 2, 3))))
            plain = chance.choice(
                (plain, plain.capitalize(), plain.title(), f"{plain.capitalize()} {chance.random():.3f}")
            )
            yield Text("ours", plain, (), language, 0.7)
            name = source.full(language)
            name = chance.choice((name, name, name.split()[0], name.split()[-1]))
            name = name.lower() if chance.random() < 0.4 or language == "hi" else name
            yield Text("ours", name, ((0, len(name), "PERSON"),), language, 0.35)


def common_words(folder: Path, language: str) -> list[str]:
    """Frequent words of a language, in Latin letters."""
    common = frequencies(folder / words_file(language), language)
    return [w for w, frequency in common.items() if frequency > _COMMON and w.isalpha() and len(w) > 1]
