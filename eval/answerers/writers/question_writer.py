"""Questions that the model writes itself, for sentences that nobody asked about (data/pipeline/questions/asking.py).

Words of a sentence are drawn as the answer, a name or a number where it has one, as for crops; the model, which was
tuned on sentence and answer to question (the tuning questions with evidence), samples a question to them. Left to
choose the answer, too, a small model often wrote neither (LOG.md). What can't help is left out: a question that says
its answer, that shares no word with its document, that was written before, or that is asked in evaluation. Whoever
trains on them learns to go from a question to the sentence (Zhuang et al. 2022, "Bridging the gap between indexing and
retrieval", arXiv 2206.10128), without a model from outside.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm

from data.pipeline.questions.asking import Asking
from data.pipeline.questions.crops import taken_out
from data.pipeline.sources import MARKS
from data.record_parts import Evidence
from data.records import Document, Question
from data.stateless_rng import hash_key
from eval.answerers.lm_answerer import LMAnswerer
from eval.grading.correctness import normalise
from model.generate import generate

LONGEST_WRITTEN = 48  # tokens of a question
WORD = re.compile(r"\w+")
SHORT = 4  # letters; shorter words tell nothing of what is asked about


class Written(NamedTuple):
    """The questions that were kept, and how many were not, by the reason."""

    questions: list[Question]
    left_out: Counter[str]


def write_questions(
    answerer: LMAnswerer,
    documents: Sequence[Document],
    each: int,
    temperature: float,
    seed: int,
    evaluated: Iterable[Question] = (),
) -> Written:
    """A question to each of up to `each` answers in every sentence; those kept are of split tune, with their evidence.

    A pure function of its arguments on one machine.

    Args:
        evaluated: what is asked in evaluation: a question that says the same is left out.
    """
    barred = {normalise(text) for q in evaluated for text in (q.text, *q.paraphrases, *q.new_paraphrases)}
    known: dict[str, frozenset[str]] = {}
    sentences = [(document, sentence.strip()) for document in documents for sentence, *_ in document.sentences]
    wanted = [
        (document, sentence, answer)
        for number, (document, sentence) in enumerate(sentences)
        for answer in _answers(sentence, each, random.Random(int(hash_key(seed, number))))
    ]
    written = _sampled(answerer, [(sentence, answer) for _, sentence, answer in wanted], temperature, seed)
    kept: dict[str, Question] = {}
    left_out: Counter[str] = Counter()
    for number, ((document, sentence, answer), text) in enumerate(zip(wanted, written, strict=True)):
        if document.id not in known:
            known = {document.id: _words(document)}
        if reason := _useless(text, answer, known[document.id]):
            left_out[reason] += 1
        elif normalise(text) in barred:
            left_out["is asked in evaluation"] += 1
        elif not _fits(answerer, text, answer):
            left_out["too long"] += 1
        elif text in kept:
            left_out["written before"] += 1
        else:
            kept[text] = Question(
                f"self-{number:07}", text, (answer,), (document.id,), "single", document.id, "tune",
                evidence=(Evidence(document.id, sentence),),
            )  # fmt: skip
    return Written(list(kept.values()), left_out)


def _words(document: Document) -> frozenset[str]:
    """The longer words of a document and its title, in lower case."""
    text = f"{document.text} {document.metadata.get('title', '')}".lower()
    return frozenset(word for word in WORD.findall(text) if len(word) >= SHORT)


def _fits(answerer: LMAnswerer, text: str, answer: str) -> bool:
    """Whether the question with its answer and a source fits what the model reads at once."""
    asked, said = answerer.tokenizer.encode([text, answer])
    longest = max(map(len, answerer.identifiers.tokens), default=0)
    return len(asked) + len(said) + longest + MARKS <= answerer.longest


def _useless(text: str, answer: str, known: frozenset[str]) -> str:
    """Why a question is left out, "" where it is kept."""
    if not text.strip():
        return "none was written"
    if f" {normalise(answer)} " in f" {normalise(text)} ":
        return "says its answer"
    return "" if known.intersection(WORD.findall(text.lower())) else "shares no word with its document"


def _answers(sentence: str, each: int, rng: random.Random) -> list[str]:
    """Different words of a sentence that may be asked for, at most `each`."""
    drawn = (taken_out(sentence, rng)[0] for _ in range(each))
    return list(dict.fromkeys(answer for answer in drawn if answer))


@torch.inference_mode()
def _sampled(answerer: LMAnswerer, told: Sequence[tuple[str, str]], temperature: float, seed: int) -> list[str]:
    """A question to each sentence and answer; "" where none was written, or there is no room."""
    form, model = Asking(answerer.tokenizer), answerer.drafter
    if not told:
        return []
    sentences, answers = (answerer.tokenizer.encode(list(part)) for part in zip(*told, strict=True))
    prompts = list(map(form.prompt, sentences, answers))
    order = sorted((i for i, p in enumerate(prompts) if len(p) <= answerer.longest), key=lambda i: len(prompts[i]))
    generator = torch.Generator(model.embed_tokens.weight.device).manual_seed(seed)
    found = [""] * len(prompts)
    for start in tqdm(range(0, len(order), answerer.batch), desc="questions", unit=" batches", disable=None):
        chunk = order[start : start + answerer.batch]
        context, logits = answerer.read([prompts[i] for i in chunk], model=model)
        written = generate(model, context, logits, [form.end], LONGEST_WRITTEN, temperature, generator, last=True)
        for place, tokens, stop in zip(chunk, written.tokens, written.stops, strict=True):
            found[place] = form.parse(tokens) if stop is not None else ""
    return found
