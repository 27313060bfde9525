"""What a model of one's own adds, through the whole redactor: typed, spoken, in partials; and that it takes nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from models.cancellation import Cancellation, Cancelled
from models.errors import RedactionFailed
from models.redaction.ner.engines import build_classifier
from models.redaction.own_model.tagger import OwnTagger
from models.redaction.own_model.types import PersonalWord
from models.redaction.policy.loader import parse_policies
from models.redaction.policy.policy import STRICT, Policies
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext, RedactionScope
from models.text import Entity, RawText, TextSource
from server.cli.main import cli
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.own_model.made import PLAIN, TEMPLATES, UNSEEN

TYPED, SPEECH = RedactionContext(TextSource.TYPED), RedactionContext(TextSource.SPEECH)
ROOT = Path(__file__).parents[4]


class EveryNth:
    """A model that takes every n-th word, or the words of a list, for personal."""

    name = "nth"

    def __init__(self, n: int = 2, kind: str = "ID", words: tuple[str, ...] = (), score: float = 0.9) -> None:
        self._n, self._kind, self._words, self._score = n, kind, words, score

    def personal_words(self, texts: list[str], check: Callable[[], None]) -> list[list[PersonalWord]]:
        """See ``OwnModel``."""
        check()
        return [list(self._of(text)) for text in texts]

    def _of(self, text: str) -> Iterator[PersonalWord]:
        at = 0
        for number, word in enumerate(text.split()):
            start = text.index(word, at)
            at = start + len(word)
            if word in self._words or (not self._words and number % self._n == 0):
                yield PersonalWord(start, at, self._kind, self._score)


def local(own: OwnTagger | EveryNth | None = None, policies: Policies = STRICT) -> LocalRedactor:
    names = WordListClassifier({"maria": "GIVEN_NAME", "lopez": "SURNAME"})
    return LocalRedactor(names, policies=policies, worker_key=bytes(32), own_model=own)


def text_of(redactor: LocalRedactor, text: str, context: RedactionContext = TYPED) -> str:
    return redactor.redact(RawText(text), context).text.value


@pytest.mark.parametrize("context", [TYPED, SPEECH, RedactionContext(TextSource.OCR)])
@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("please check the colony moss lantern before friday", "please check the colony [REDACTED_NAME] before friday"),
        ("Colony heron lost its queen last week.", "Colony [REDACTED_NAME] lost its queen last week."),
        ("the colony is strong this year", "the colony is strong this year"),
    ],
)
def test_a_value_that_nothing_else_finds_is_hidden(
    hives: OwnTagger, context: RedactionContext, text: str, hidden: str
) -> None:
    assert text_of(local(), text, context) == text
    assert text_of(local(hives), text, context) == hidden


def test_most_names_that_it_never_saw_are_hidden_whole(hives: OwnTagger) -> None:
    chance = random.Random(3)
    redactor, whole = local(hives), 0
    for _ in range(60):
        value = " ".join(chance.sample(UNSEEN, 2))
        whole += not any(word in text_of(redactor, chance.choice(TEMPLATES).format(value)) for word in value.split())
    assert whole > 50


def test_every_token_of_a_long_text_is_in_a_window(hives: OwnTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    queen = hives._tokenizer.token_to_id("queen")
    marked = lambda ids: np.array([[float(number == queen)] * 2 for number in ids[1:-1]], np.float32)  # noqa: E731
    monkeypatch.setattr(hives, "_scores", marked)
    words = ["colony", "queen", "moss"] * 300
    (found,) = hives.personal_words([" ".join(words)], lambda: None)
    assert [word.start for word in found] == [at * 18 + 7 for at in range(300)]


def test_a_batch_gives_the_same_as_one_by_one(hives: OwnTagger) -> None:
    texts = [template.format("falcon dapple") for template in TEMPLATES]
    assert hives.personal_words(texts, lambda: None) == [hives.personal_words([t], lambda: None)[0] for t in texts]


# Partials.


def steps(redactor: LocalRedactor, text: str) -> list[str]:
    partials, state, shown = PartialRedactor(redactor), PartialState(), []
    words = text.split()
    for count in range(1, len(words) + 1):
        out, state = partials.step(state, RawText(" ".join(words[:count])), SPEECH)
        state = PartialState.from_payload(state.to_payload())
        shown.append(out.value)
    return shown


def utterances(count: int) -> Iterator[tuple[str, str]]:
    """A sentence with the name of a colony and one without, and the name."""
    chance = random.Random(11)
    for _ in range(count):
        value = " ".join(chance.sample(UNSEEN, chance.choice((1, 2))))
        named, plain = chance.choice(TEMPLATES).format(value), chance.choice(PLAIN).format(chance.choice(UNSEEN))
        yield (f"{named} and {plain}" if chance.random() < 0.5 else f"{plain} and {named}"), value


def test_no_partial_shows_what_the_final_hides(hives: OwnTagger) -> None:
    redactor, tags = local(hives), 0
    for text, _value in utterances(40):
        shown, final = steps(redactor, text), text_of(redactor, text, SPEECH)
        assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
        assert final.startswith(shown[-1])
        tags += shown[-1].count("[REDACTED_NAME]")
    assert tags > 10, "partials show tags, too: they do not only wait"


def test_a_word_that_may_become_personal_waits(hives: OwnTagger) -> None:
    plain = "alpha beta so we all went to see the old pump near the barn today again"
    assert steps(local(EveryNth(words=("so",), score=0.01)), plain)[-1].startswith("alpha beta so we")
    assert steps(local(EveryNth(words=("so",), score=0.3)), plain)[-1] == "alpha beta"


WORDS = "my name is under called number it's and so the pump four oh e at a dot heather rain lopez wobble brook"


def shown_tokens(own: EveryNth | None, text: str) -> list[int]:
    """How many tokens each partial shows; of "heather" and "rain" the classifier has a doubt."""
    doubting = WordListClassifier({"heather": "GIVEN_NAME", "rain": "GIVEN_NAME"}, score=0.3)
    partials, state, shown = PartialRedactor(LocalRedactor(doubting, own_model=own)), PartialState(), []
    words = text.split()
    for count in range(1, len(words) + 1):
        _, state = partials.step(state, RawText(" ".join(words[:count])), SPEECH)
        shown.append(state.shown_tokens)
    return shown


def test_what_it_finds_shows_no_word_sooner() -> None:
    chance = random.Random(9)
    texts = [" ".join(chance.choices(WORDS.split(), k=12)) for _ in range(20)]
    texts += ["well this is under wobble brook lantern", "so heather went to the pump and the other one to the barn"]
    for text in texts:
        without = shown_tokens(None, text)
        for own in (EveryNth(2), EveryNth(3), EveryNth(words=("wobble", "four", "heather"))):
            pairs = zip(shown_tokens(own, text), without, strict=True)
            assert all(mine <= before for mine, before in pairs), text


# It takes nothing.


def texts_of_others() -> list[str]:
    """Texts that were written for other tests: typed messages, and what callers say."""
    data = ROOT / "tests" / "data"
    files = sorted((data / "typed_messages").glob("*.txt"))
    lines = [line.partition("|")[2] for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    said = [json.loads(file.read_text(encoding="utf-8")).get("say") for file in sorted(data.glob("*.json"))]
    return [text.strip().replace("[[", "").replace("]]", "") for text in lines] + [
        s for s in said if isinstance(s, str)
    ]


def built_in(entities: tuple[Entity, ...]) -> list[Entity]:
    return [entity for entity in entities if not entity.recognizer.startswith("own:")]


POLICIES = {
    "strict": STRICT,
    "rewrites": parse_policies(
        "default: {operators: {PHONE: {mask: 4}, ID: {mask: 4}, NAME: number, EMAIL: hash}, allow: [the boiler]}"
    ),
    "leaves": parse_policies("default: {entities: [NAME, EMAIL], thresholds: {NAME: 0.95}, operators: {EMAIL: keep}}"),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["ID", "NAME", "PHONE"])
def test_what_is_built_in_stays_as_it_is(policy: str, kind: str) -> None:
    texts = [RawText(text) for text in texts_of_others()]
    assert len(texts) > 300
    for source in (TextSource.TYPED, TextSource.SPEECH):
        context = RedactionContext(source, scope=RedactionScope(session_id="one"))  # its hashes have one key
        without = local(None, POLICIES[policy]).redact_many(texts, context)
        own = local(EveryNth(2, kind), POLICIES[policy]).redact_many(texts, context)
        assert [built_in(redaction.entities) for redaction in own] == [[*redaction.entities] for redaction in without]
        for before, after in zip(without, own, strict=True):
            assert before.text.safe_for_llm or not after.text.safe_for_llm
        for redaction in own:
            assert all(first.end <= second.start for first, second in pairwise(redaction.entities))


@pytest.mark.parametrize(
    ("text", "context", "words"),
    [
        ("the lid says 481 5162 ok", TYPED, ("5162",)),
        ("the lid says 48-15-162 ok", TYPED, ("48-15-162",)),
        ("i am called wobble brook tomorrow", SPEECH, ("tomorrow",)),
    ],
)
def test_what_it_finds_clears_no_doubt(text: str, context: RedactionContext, words: tuple[str, ...]) -> None:
    assert not local().redact(RawText(text), context).text.safe_for_llm
    redaction = local(EveryNth(words=words)).redact(RawText(text), context)
    assert redaction.entities
    assert not redaction.text.safe_for_llm


def test_no_number_is_safe_only_because_a_part_of_it_is_hidden() -> None:
    chance, doubted = random.Random(7), 0
    for _ in range(80):
        mark = chance.choice((" ", "-"))
        number = mark.join(str(chance.randint(10, 9999)) for _ in range(chance.choice((2, 3))))
        text = f"{chance.choice(('the lid says', 'i am called', 'under'))} {number} {chance.choice(UNSEEN)} tomorrow"
        for context in (TYPED, SPEECH):
            without = local().redact(RawText(text), context).text.safe_for_llm
            own = local(EveryNth(chance.choice((1, 2, 3)))).redact(RawText(text), context).text.safe_for_llm
            assert without or not own, text
            doubted += not without
    assert doubted > 5


@pytest.fixture(scope="module")
def real_with_hives(weights_cache: Path, hives: OwnTagger) -> LocalRedactor:
    """The real classifier and the trained model."""
    return LocalRedactor(build_classifier(weights_cache), own_model=hives)


@pytest.mark.models
def test_with_the_real_classifier_what_is_built_in_stays_as_it_is(
    real_redactor: LocalRedactor, real_with_hives: LocalRedactor
) -> None:
    texts = [RawText(text) for text in texts_of_others()[::6]]
    more = 0
    for context in (TYPED, SPEECH):
        without = real_redactor.redact_many(texts, context)
        own = real_with_hives.redact_many(texts, context)
        for before, after in zip(without, own, strict=True):
            assert built_in(after.entities) == [*before.entities]
            assert before.text.safe_for_llm or not after.text.safe_for_llm
            more += len(after.entities) - len(before.entities)
    assert more > 100


@pytest.mark.models
def test_with_the_real_classifier_the_value_is_readable_without_the_model(
    real_redactor: LocalRedactor, real_with_hives: LocalRedactor
) -> None:
    text = "please check the colony falcon before friday"
    for context in (TYPED, SPEECH):
        assert text_of(real_redactor, text, context) == text
        assert text_of(real_with_hives, text, context) == text.replace("falcon", "[REDACTED_NAME]")


# Words of every script.


@pytest.mark.parametrize("word", ["रवि", "Jose\u0301", "தமிழி", "রবীন্দ্রনাথ", "น้ำฝนดี", "مُحَمَّدٌ", "O'Brien", "lantern"])
def test_a_word_is_hidden_with_its_marks(hives: OwnTagger, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(hives, "_scores", lambda ids: np.full((len(ids) - 2, 2), 0.9, np.float32))
    text = f"bees {word}, bees"
    (found,) = hives.personal_words([text], lambda: None)
    assert [text[each.start : each.end] for each in found] == ["bees", word, "bees"]
    assert text_of(local(EveryNth(words=(f"{word},",))), text) == "bees [REDACTED_ID], bees"
    assert text_of(local(EveryNth(words=(word,))), f"[REDACTED_NAME] {word}") == "[REDACTED_NAME] [REDACTED_ID]"


# Policies, commands, failures.


def test_a_part_beside_a_built_in_value_is_added() -> None:
    own = EveryNth(words=("maria", "lopez", "lanterns,"), kind="ID")
    text = "ask maria lopez lanterns, please"
    assert text_of(local(), text) == "ask [REDACTED_NAME] lanterns, please"
    assert text_of(local(own), text) == "ask [REDACTED_NAME] [REDACTED_ID], please"


def test_a_policy_decides_about_its_types_too() -> None:
    own, text = EveryNth(words=("lantern",)), "the lantern is old"
    kept = local(own, parse_policies("default: {operators: {ID: keep}}")).redact(RawText(text), TYPED)
    assert (kept.text.value, kept.text.safe_for_llm) == (text, False)
    allowed = local(own, parse_policies("default: {allow: [the lantern]}")).redact(RawText(text), TYPED)
    assert (allowed.text.value, allowed.text.safe_for_llm) == (text, True)
    unsure = EveryNth(words=("lantern",), score=0.3)
    assert text_of(local(unsure), text) == text
    assert (
        text_of(local(unsure, parse_policies("default: {thresholds: {ID: 0.2}}")), text) == "the [REDACTED_ID] is old"
    )


def test_tags_of_an_earlier_run_stay() -> None:
    text = "the [REDACTED_NAME] is here"
    assert text_of(local(EveryNth(1)), text) == "[REDACTED_ID] [REDACTED_NAME] [REDACTED_ID] [REDACTED_ID]"


def test_a_command_is_no_value() -> None:
    assert text_of(local(EveryNth(1)), "skip that") == "skip that"


@pytest.mark.parametrize("error", [ValueError("moss lantern"), RuntimeError(), ArithmeticError(), IndexError()])
def test_a_failure_fails_the_call(error: Exception) -> None:
    class Broken(EveryNth):
        def personal_words(self, texts: list[str], check: Callable[[], None]) -> list[list[PersonalWord]]:
            raise error

    with pytest.raises(RedactionFailed) as failed:
        local(Broken()).redact(RawText("the colony moss lantern"), TYPED)
    assert "lantern" not in str(failed.value)


def test_values_that_are_no_numbers_fail_the_call(hives: OwnTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    softmax = hives._torch.softmax
    monkeypatch.setattr(hives._torch, "softmax", lambda logits, dim: softmax(logits * float("nan"), dim=dim))
    with pytest.raises(RedactionFailed):
        local(hives).redact(RawText("the colony moss lantern"), TYPED)


def test_a_caller_that_gave_up_ends_the_work(hives: OwnTagger) -> None:
    given_up = Cancellation()
    with pytest.raises(Cancelled):
        given_up.cancel()
        hives.personal_words(["the colony moss lantern"], given_up.check)


def test_windows_that_nobody_waits_for_do_not_run(hives: OwnTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, begun = hives._pool, Event()
    submitted: list[Future[object]] = []

    def submit(*call: object) -> Future[object]:
        submitted.append(pool.submit(begun.wait))
        return submitted[-1]

    monkeypatch.setattr(hives, "_pool", SimpleNamespace(submit=submit))
    given_up = Cancellation()
    given_up.cancel()
    with pytest.raises(Cancelled):
        hives.personal_words(["colony moss lantern " * 300], given_up.check)
    begun.set()
    assert len(submitted) == 2
    assert submitted[1].cancelled()


def test_without_such_a_model_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; import models.redaction.redactor, models.redaction.own_values\n"
        "from models.redaction.own_model import tagger\n"
        "print(*(name for name in ('torch', 'transformers', 'safetensors') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


@pytest.mark.models
def test_the_command_hides_what_the_chosen_model_finds(
    weights_cache: Path, hives_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    for name, source in (("rampart-pii", weights_cache), ("name-lists", weights_cache), ("hives", hives_cache)):
        (tmp_path / "weights" / name).symlink_to(source / name)
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path))
    text = "please check the colony falcon before friday"
    asked = ["redact", "--why", text]
    assert text in CliRunner().invoke(cli, asked).stdout
    monkeypatch.setenv("VESTIBULE_REDACTION__NER_WEIGHTS", "hives")
    shown = CliRunner().invoke(cli, asked).stdout
    assert "please check the colony [REDACTED_NAME] before friday" in shown
    assert "own:hives" in shown
