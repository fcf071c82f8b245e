"""What a corpus costs by its size, a part a process: preparing, loading, building the trie, decoding over it.

The corpus is the world's documents over and over, the repetitions under new ids, made as it is read, so that the memory
used is that of the part.
"""

from __future__ import annotations

import math
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from bench.answering.inputs import ANSWERING
from bench.device import memory, start
from bench.inputs import open_documents
from bench.settings import Measured, Settings, contend
from data.pipeline.answer_format import Direct
from data.pipeline.stream import Plan, Stream
from data.readers.corpus import Corpus
from data.records import Document, Question, read_jsonl
from data.storage.prepare import prepare as prepare_corpus
from data.storage.shards import read_documents
from model.generate import Context, pad_left, rank_constrained, read
from model.hf import load_model
from model.trie import Trie

WORLD = "world"  # that the corpora are made of
TOKENS = 1_500_000  # that the loader gives after its first batch: several blocks
ASKED, CITATIONS = 16, 10  # contexts side by side in decoding, and citations of each
SHARPER = 8.0  # times the logits in decoding


def prepare(settings: Settings) -> Measured:
    """Documents to shards: seconds, megabytes and documents per second."""
    world, folder = settings.path / WORLD, settings.corpus
    questions = tuple(read_jsonl(world / "questions.jsonl", Question))
    shutil.rmtree(folder, ignore_errors=True)
    begun = time.perf_counter()
    manifest = prepare_corpus(Corpus(generate(settings), questions), folder)
    seconds = time.perf_counter() - begun
    shutil.copy(world / "tokenizer.json", folder)
    return {
        "seconds": seconds,
        "mb_per_second": manifest.text_bytes / 1e6 / seconds,
        "documents_per_second": manifest.documents / seconds,
        "text_bytes": manifest.text_bytes,
    }


def load(settings: Settings) -> Measured:
    """From a prepared folder to batches: seconds to the first one, and tokens (no padding) per second after it."""
    begun = time.perf_counter()
    documents, _, tokenizer = open_documents(settings)
    plan = Plan(settings.row, settings.rows, steps=2**40, seed=settings.seed)
    stream = iter(Stream(documents, None, plan, tokenizer.pad))
    next(stream)
    first = time.perf_counter()
    tokens = 0
    while tokens < TOKENS:
        tokens += int((next(stream).batch.doc >= 0).sum())
    return {"first_seconds": first - begun, "tokens_per_second": tokens / (time.perf_counter() - first)}


def trie(settings: Settings) -> Measured:
    """The tree of all identifiers: seconds to build it, and its bytes."""
    _, identifiers, tokenizer = open_documents(settings)
    begun = time.perf_counter()
    built = Trie.build(identifiers.tokens, tokenizer.end_src)
    return {"seconds": time.perf_counter() - begun, "bytes": built.table.nbytes + built.order.nbytes}


def decode(settings: Settings) -> Measured:
    """Ranking the likeliest identifiers by the model: seconds a question, which was read before.

    The model, of `bench.answering.inputs`, knows the form of these identifiers and no more, and a search over almost
    equal probabilities must open most of the tree. So its logits are multiplied, to be about as certain as a trained
    model's; `certainty` is the share that the first has of the probability of all that were ranked, on average.
    """
    device = start(settings)
    _, identifiers, tokenizer = open_documents(settings)
    built = Trie.build(identifiers.tokens, tokenizer.end_src)
    model = load_model(settings.path / ANSWERING).eval().to(device)
    with torch.no_grad():
        model.norm.weight.mul_(SHARPER)
    texts = tokenizer.encode([document.text for document in list(read_documents(settings.path / WORLD))[:ASKED]])
    context, form = Context.empty(model, len(texts)), Direct(tokenizer)
    read(model, context, *pad_left([form.prompt(text[:12]) for text in texts], device))
    begun = time.perf_counter()
    found = rank_constrained(model, context, tokenizer.src, built, tokenizer.end_src, CITATIONS)
    seconds = time.perf_counter() - begun
    certainty = statistics.mean(1 / sum(math.exp(score - ranked[0][1]) for _, score in ranked) for ranked in found)
    return {"seconds_per_question": seconds / len(texts), "certainty": certainty}


PARTS: dict[str, Callable[[Settings], Measured]] = {"prepare": prepare, "load": load, "trie": trie, "decode": decode}


def generate(settings: Settings) -> Iterator[Document]:
    """`settings.documents` documents, told anew each time."""
    base = list(read_documents(settings.path / WORLD))
    for number in range(settings.documents):
        document = base[number % len(base)]
        yield document if number < len(base) else replace(document, id=f"{document.id}-{number // len(base)}")


def measure(settings: Settings) -> Measured:
    """The part that the settings' variant names, with the peak memory of its process."""
    return PARTS[settings.variant](settings) | memory(settings)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    contend(measure)
