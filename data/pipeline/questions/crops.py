"""Crops: pseudo-questions made of a sentence's own words, so that what is asked in them leads to the sentence.

The inverse cloze task (Lee et al. 2019, arXiv 1906.00300) in the form of a tuning question: from a sentence of any
document an answer is taken out, a name or a number where there is one; of the words that are left some stay, in their
order, and are the question; the sentence is the evidence, its document the source. Which words were taken out is
chance, so the answer is not learnt. Questions often name what the sentence only refers to ("it", "the church"), so at
times names from elsewhere in the document stand in front.

No model from outside makes them, and no question of the test: a document is all that they are drawn from.

These go from a fact to its source. Active indexing (Huang et al. 2025, arXiv 2506.17585) goes back as well: further
ones (`from_source`) begin with the document's tag, and what is learnt is what this document says, the sentence where
the format shows one, else the words that were taken out. The citation, which stands there to be copied, is not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from configs.keys import PART, Section, key, shown
from data.pipeline.answer_format import FORMATS
from data.pipeline.sample import Sample, Tokens
from data.pipeline.sources import Documents, fits
from data.pipeline.tokenizer import Tokenizer
from data.stateless_rng import hash_key, uniform

WORD = re.compile(r"\S+")
NAMED = 0.7  # share of answers that are a name or a number, where the sentence has one
LONGEST_ANSWER = 4  # words of one that is neither
KEPT = (0.3, 0.9)  # share of the words that stay, drawn from this range
ELSEWHERE = 0.4  # share of crops with names from elsewhere in the document
MOST_ELSEWHERE = 3
NEAR = 4  # sentences that these names are taken from
LOWERED = 0.3  # share of crops in lower case, as many ask
LEAST = 4  # words of a sentence that is worth asking about
EDGES = "\"'“”‘’()[]{},;:.!?–—-"


@dataclass
class CropsConfig(Section):
    """Learning from pseudo-questions made of documents' own words."""

    section: ClassVar[str] = "crops"

    fraction: float = key(
        0.0,
        "share of the visits of tuning questions in pretraining, less what is rewritten, that are crops; 0 for none",
        PART,
    )
    from_source: float = key(
        0.0, "share of those visits that are crops which name their source and ask what it says; 0 for none", PART
    )

    def contradictions(self, path: str) -> Iterator[str]:
        if self.fraction + self.from_source >= 1:
            yield (
                f"{path}.fraction={shown(self.fraction)} and {path}.from_source={shown(self.from_source)} leave no "
                "visits to the tuning questions: lower one"
            )


class Crops:
    """Pseudo-questions over all documents."""

    def __init__(self, documents: Documents, tokenizer: Tokenizer, answer_format: str, config: CropsConfig) -> None:
        self.documents, self.tokenizer, self.config = documents, tokenizer, config
        self.format = FORMATS[answer_format](tokenizer)

    def draw(self, key: int) -> Sample | None:
        """A crop in place of the visit that `key` draws, or None: a pure function of it."""
        drawn, forth, back = uniform(key, 20), self.config.fraction, self.config.from_source
        if drawn >= forth + back:
            return None
        rng = random.Random(int(hash_key(key, 21)))
        index = rng.randrange(len(self.documents))
        if index in self.documents.left_out:
            return None
        sentences, identifier = self.documents.document(index)
        place = rng.randrange(len(sentences))
        sentence = rng.choice(sentences[place])
        near = [i for i in range(len(sentences)) if i != place]
        others = [self.tokenizer.decode(rng.choice(sentences[i])) for i in rng.sample(near, min(NEAR, len(near)))]
        cropped = crop(self.tokenizer.decode(sentence), others, rng)
        if cropped is None:
            return None
        question, answer = self.tokenizer.encode(cropped)
        if drawn < forth:
            sample = self._to_source(question, answer, identifier, sentence)
        elif identifier is not None:
            sample = self._from_source(question, answer, identifier, sentence)
        else:
            return None  # it can't be named
        return sample if fits(len(sample), self.documents.room) else None

    def _to_source(self, question: Tokens, answer: Tokens, identifier: Tokens | None, sentence: Tokens) -> Sample:
        """Which words were taken out is chance, so they are not learnt."""
        whole = self.format.answered(question, answer, identifier, evidence=sentence)
        parts = [part._replace(learn=False) if part.tokens is answer else part for part in whole.parts]
        return Sample(parts, whole.end_src)

    def _from_source(self, question: Tokens, answer: Tokens, identifier: Tokens, sentence: Tokens) -> Sample:
        """The sentence is learnt, or the words that are missing in it."""
        asked = np.array([*self.format.citation(identifier), *question], dtype=question.dtype)
        whole = self.format.answered(asked, answer, identifier, evidence=sentence)
        said = sentence if self.format.evidenced else answer
        return Sample([part._replace(learn=part.tokens is said) for part in whole.parts], whole.end_src)


def crop(sentence: str, others: Sequence[str], rng: random.Random) -> tuple[str, str] | None:
    """A pseudo-question and its answer; None where the sentence has too few words.

    Args:
        others: the other sentences of the document.
    """
    answer, left = taken_out(sentence, rng)
    if not answer or not left:
        return None
    share = rng.uniform(*KEPT)
    kept = [word for word in left if rng.random() < share] or [rng.choice(left)]
    if rng.random() < ELSEWHERE:
        named = [name for other in others for name in names(WORD.findall(other)[1:])]
        kept = rng.sample(named, min(len(named), rng.randint(1, MOST_ELSEWHERE))) + kept
    question = " ".join(kept)
    return (question.lower() if rng.random() < LOWERED else question), answer


def taken_out(sentence: str, rng: random.Random) -> tuple[str, list[str]]:
    """Words of a sentence that may be asked for, a name or a number where it has one, and the other words.

    "" and all of them where there are too few.
    """
    found = list(WORD.finditer(sentence))
    words = [match.group() for match in found]
    if len(words) < LEAST:
        return "", words
    begin, end = _answer(words, rng)
    answer = sentence[found[begin].start() : found[end - 1].end()].strip(EDGES)
    left = [word.strip(EDGES) for word in (*words[:begin], *words[end:])]
    return answer, [word for word in left if word]


def names(words: Sequence[str]) -> list[str]:
    """Words with a capital or a digit, without the signs around them."""
    found = (word.strip(EDGES) for word in words)
    return [word for word in found if word and (word[0].isupper() or word[0].isdigit())]


def _answer(words: Sequence[str], rng: random.Random) -> tuple[int, int]:
    """Where the answer begins and ends: a run of names or numbers behind the first word, or of any words."""
    runs: list[tuple[int, int]] = []
    for place, word in enumerate(words):
        if place and names([word]):
            if runs and runs[-1][1] == place and words[place - 1][-1] not in ".;:":
                runs[-1] = (runs[-1][0], place + 1)
            else:
                runs.append((place, place + 1))
    runs = [run for run in runs if run[1] - run[0] < len(words) - 1]
    if runs and rng.random() < NAMED:
        return rng.choice(runs)
    size = rng.randint(1, min(LONGEST_ANSWER, len(words) - 1))
    begin = rng.randrange(len(words) - size + 1)
    return begin, begin + size
