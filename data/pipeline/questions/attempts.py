"""Two attempts at one question: the form, what teaches it and nothing else, and how an attempt is read back.

    <|ask|> question <|answer|> attempt <|end|> <|ask|> <|answer|> attempt <|end|>

To be asked again without a word is the instruction that SCoRe puts into words (Kumar et al. 2024, arXiv 2409.12917):
there might be an error, correct it if there is one. An attempt is a whole answer: words with their source and perhaps a
mark of confidence, or a refusal. No new mark is needed, so any model that answers directly can be taught the form.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from data import fields
from data.pipeline.answer_format import ANSWERED, FORMATS
from data.pipeline.identifiers import Identifiers
from data.pipeline.sample import ANSWER, NOTHING, QUESTION, Part, Sample, Tokens
from data.pipeline.sources import tagged, tags_of
from data.pipeline.tokenizer import Tokenizer
from data.records import Citation, Document, Prediction, Question, RecordError
from data.stateless_rng import hash_key

Attempt = tuple[int, ...]  # its tokens, with <|end|> where it came to one
LONGEST = 24  # tokens of an attempt before its end: four times a usual answer; longer ones are unparseable
REFUSED = 0.15  # share of the form's attempts that refuse, whatever was asked
MISTAKEN = 0.5  # share of its first attempts that say and cite what answers another question


@dataclass(frozen=True, slots=True)
class Episode:
    """What a model wrote to one question, attempt after attempt; `learn` says which of them are to be learnt."""

    question: str
    attempts: tuple[Attempt, ...]
    learn: tuple[bool, ...] = ()

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Inverse of `to_json`. Raises RecordError."""
        fields.known(value, set(cls.__slots__))
        attempts, learn = fields.items(value, "attempts"), fields.items(value, "learn")
        if not all(isinstance(a, list) and all(type(token) is int for token in a) for a in attempts):
            raise RecordError(f'"attempts" must be lists of tokens, not {fields.shown(attempts)}')
        if not all(isinstance(one, bool) for one in learn):
            raise RecordError(f'"learn" must be true or false for each attempt, not {fields.shown(learn)}')
        return cls(fields.name(value, "question"), tuple(map(tuple, attempts)), tuple(learn))

    def to_json(self) -> dict[str, Any]:
        return {"question": self.question, "attempts": list(map(list, self.attempts)), "learn": list(self.learn)}


class AttemptForm:
    """The prompts, the sample and the parser, over the marks of one tokenizer and the identifiers of one corpus.

    Attributes:
        again: what is read between two attempts, the end of the first included.
        end: the mark that ends an attempt.
        refusal: an attempt that says that it does not know.
    """

    def __init__(self, tokenizer: Tokenizer, identifiers: Identifiers) -> None:
        self.tokenizer, self.format = tokenizer, FORMATS["direct"](tokenizer)
        self.end = tokenizer.end
        self.refusal: Attempt = (self.format.refusals[0], self.end)
        self.again = [self.end, *self.format.prompt(())]
        self.named = {tuple(t.tolist()): n for t, n in zip(identifiers.tokens, identifiers.labels, strict=True)}
        self.marks = {int(mark): k / 10 for k, mark in enumerate(tokenizer.confidences)}

    def prompt(self, text: Sequence[int] | Tokens) -> list[int]:
        """What is read before the first attempt."""
        return self.format.prompt(text)

    def sample(self, text: Sequence[int] | Tokens, attempts: Sequence[Attempt], learn: Sequence[bool] = ()) -> Sample:
        """Attempts behind their question; the targets of attempt n, counted from 1, have the label n (`objective`).

        Args:
            learn: which attempts have targets; all by default.
        """
        parts = [Part(self.prompt(text), QUESTION, learn=False, span=0)]
        for number, attempt in enumerate(attempts, start=1):
            if number > 1:
                ended = attempts[number - 2][-1:] == (self.end,)
                parts.append(Part(self.again[ended:], QUESTION, learn=False, span=0))
            learnt = learn[number - 1] if learn else True
            parts.append(Part(attempt, ANSWER, learn=learnt, span=0, objective=number))
        return Sample(parts, self.format.closing)

    def words(self, attempt: Attempt) -> Attempt:
        """The words of an attempt with the mark that ends them, or all of one that has none."""
        place = next((i for i, token in enumerate(attempt) if token in self.format.outcomes), len(attempt))
        return attempt[: place + 1]

    def parse(self, question: str, attempt: Attempt) -> Prediction:
        """What an attempt says: unparseable unless it is exactly an answer, or a refusal, and ends.

        A source that is no document of the corpus is no citation. The confidence is that of the mark, None without one.
        """
        *words, mark = self.words(attempt) or (None,)
        if mark not in self.format.outcomes or attempt[-1] != self.end:
            return Prediction(question, "unparseable")
        rest = attempt[len(words) + 1 : -1]
        outcome = self.format.parse(words, mark)
        stated = self.marks.get(rest[-1]) if rest and outcome in ANSWERED else None
        rest = rest if stated is None else rest[:-1]
        citations: tuple[Citation, ...] = ()
        if outcome == "answered":
            if rest[-1:] != (self.format.closing,):
                return Prediction(question, "unparseable")
            named = self.named.get(rest[:-1])
            citations = (Citation(named),) if named is not None else ()
        elif rest:
            return Prediction(question, "unparseable")
        answer = self.tokenizer.decode(words) if outcome in ANSWERED else None
        return Prediction(question, outcome, answer, citations, stated)


class FormLessons:
    """The form of two attempts, over tuning questions, as a source of samples: it says nothing on when to do what.

    A first attempt is the gold answer, one that belongs to another question (which is not learnt), or a refusal; the
    second is the gold answer or a refusal, each drawn without a look at the question or at the first.

    Args:
        stated: also end each answer with a mark of confidence, which is drawn and so says nothing either.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        documents: Iterable[Document],
        identifiers: Identifiers,
        tokenizer: Tokenizer,
        seed: int,
        stated: bool = False,
    ) -> None:
        self.form, self.seed, self.stated = AttemptForm(tokenizer, identifiers), seed, stated
        tags = tags_of({name for q in questions for name in q.support}, documents, identifiers)
        self.texts = [tokenizer.encode((q.text, *q.paraphrases)) for q in questions]
        answers = tokenizer.encode([q.answers[0] for q in questions])
        self.answers = list(zip(answers, _cited(questions, tags), strict=True))
        self.others: dict[str, list[int]] = {}
        for place, question in enumerate(questions):
            self.others.setdefault(question.attribute, []).append(place)
        self.attributes = [q.attribute for q in questions]
        self.sizes = [1] * len(questions)

    def __len__(self) -> int:
        return len(self.texts)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        rng = random.Random(int(hash_key(self.seed, epoch, index)))
        text = rng.choice(self.texts[index])
        mistaken = rng.random() < MISTAKEN
        first = self._attempt(rng, text, rng.choice(self.others[self.attributes[index]]) if mistaken else index)
        if mistaken:
            first = [part._replace(learn=False) for part in first]
        return [Sample([*first, *self._attempt(rng, NOTHING, index)], self.form.format.closing)]

    def _attempt(self, rng: random.Random, text: Tokens, index: int) -> Sequence[Part]:
        if rng.random() < REFUSED:
            return self.form.format.refusal(text, "abstained").parts
        answer, tag = self.answers[index]
        mark = int(rng.choice(self.form.tokenizer.confidences)) if self.stated else None
        return self.form.format.answered(text, answer, tag, mark).parts


class EpisodeLessons:
    """Own attempts as a source of samples. Raises ValueError for a question that is not in the corpus."""

    def __init__(self, episodes: Sequence[Episode], questions: Sequence[Question], form: AttemptForm) -> None:
        texts = {question.id: question.text for question in questions}
        if missing := [one.question for one in episodes if one.question not in texts]:
            raise ValueError(f"an episode is of question {missing[0]!r}, which is not in the corpus")
        self.episodes, self.form = episodes, form
        self.texts = form.tokenizer.encode([texts[one.question] for one in episodes])
        self.sizes = [1] * len(episodes)

    def __len__(self) -> int:
        return len(self.episodes)

    def render(self, index: int, epoch: int, cooldown: bool, judged: bool = True) -> list[Sample]:
        episode = self.episodes[index]
        return [self.form.sample(self.texts[index], episode.attempts, episode.learn)]


def _cited(questions: Sequence[Question], tags: dict[str, Tokens | None]) -> list[Tokens | None]:
    """The identifier of a document that gives each question's first answer, None where none has a tag."""
    found = []
    for question in questions:
        said = {claim.value: claim.documents for claim in question.claims}
        named = tagged(said.get(question.answers[0], question.support), tags)
        found.append(next((tag for _, tag in named), None))
    return found
