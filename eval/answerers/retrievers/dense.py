"""A small dense retriever over the documents at hand: what a trained index gives where words differ.

A dual encoder (Karpukhin et al. 2020, "Dense passage retrieval", arXiv 2004.04906) of the least kind: a text is the
weighted mean of its tokens' vectors, which start as the model's own embeddings, and are trained so that a question is
nearer to its sentence than to the other sentences of a batch (InfoNCE, van den Oord et al. 2018, arXiv 1807.03748). It
learns from the tuning questions with evidence and from crops of all documents, as our model does.

Shape letters: B pairs of a batch, D coordinates of a vector, V vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from data.pipeline.questions.crops import crop
from data.pipeline.tokenizer import Tokenizer
from data.records import Citation, Document, Prediction, Question
from eval.grading.attribution import RANKS

STEPS, BATCH, RATE = 400, 64, 0.002
TEMPERATURE = 0.05  # of the cosines
ASKED = 0.5  # share of a batch that are tuning questions, the rest are crops


class Encoder(nn.Module):
    """Texts as unit vectors: a mean of token vectors, each token with a weight of its own."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        centred = normalize(vectors.float() - vectors.float().mean(0), dim=1)
        self.vectors = nn.EmbeddingBag.from_pretrained(centred, freeze=False, mode="sum", sparse=True)
        self.weights = nn.Embedding.from_pretrained(torch.zeros(len(centred), 1), freeze=False, sparse=True)

    def forward(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Float (B, D) of texts in tokens, none of them empty."""
        tokens = torch.tensor([token for text in texts for token in text])
        begins = torch.tensor([0, *map(len, texts)]).cumsum(0)[:-1]
        return normalize(self.vectors(tokens, begins, self.weights(tokens)[:, 0].exp()), dim=1)


class Dense:
    """Cites the documents whose sentences are nearest; gives no answer. Citations have no probability.

    Args:
        vectors: (V, D) of the tokenizer's tokens, to begin with.
        tuning: questions to learn from; those without evidence teach nothing.
        seed: draws batches and crops.
    """

    name = "dense"

    def __init__(
        self,
        documents: Sequence[Document],
        tuning: Sequence[Question],
        tokenizer: Tokenizer,
        vectors: Tensor,
        seed: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        held = [(d.id, wordings[0].strip(), d) for d in documents for wordings in d.sentences if wordings[0].strip()]
        if not held:
            raise ValueError("a dense retriever needs at least one sentence")
        self.names = [name for name, _, _ in held]
        self.encoder = Encoder(vectors.detach().cpu()[: len(tokenizer)])
        self._train([(text, document) for _, text, document in held], tuning, random.Random(seed))
        with torch.inference_mode():
            self.index = self.encoder(self._tokens([text for _, text, _ in held]))

    @property
    def nbytes(self) -> int:
        """Of the vectors of tokens and sentences."""
        return sum(tensor.nbytes for tensor in (*self.encoder.parameters(), self.index))

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        if not questions:
            return []
        near = self.encoder(self._tokens([q.text for q in questions])) @ self.index.T
        return [
            Prediction(question.id, "answered", citations=tuple(map(Citation, self._first(row))))
            for question, row in zip(questions, near.argsort(dim=1, descending=True, stable=True).tolist(), strict=True)
        ]

    def _first(self, order: Sequence[int]) -> list[str]:
        """The documents of sentences in this order, each once."""
        return list(dict.fromkeys(self.names[i] for i in order))[:RANKS]

    def _train(self, sentences: Sequence[tuple[str, Document]], tuning: Sequence[Question], rng: random.Random) -> None:
        asked = [(q.text, e.text) for q in tuning for e in q.evidence]
        optimizer = torch.optim.SparseAdam(self.encoder.parameters(), lr=RATE)  # a batch has few of all tokens
        for _ in range(STEPS):
            pairs = rng.choices(asked, k=int(ASKED * BATCH)) if asked else []
            while len(pairs) < BATCH:
                pairs.append(_cropped(*rng.choice(sentences), rng))
            place = {text: i for i, text in enumerate(dict.fromkeys(text for _, text in pairs))}  # each sentence once
            questions, found = self.encoder(self._tokens([q for q, _ in pairs])), self.encoder(self._tokens([*place]))
            wanted = torch.tensor([place[text] for _, text in pairs])
            loss = cross_entropy(questions @ found.T / TEMPERATURE, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Lower-cased, since names in questions often are; a text without tokens is the padding mark."""
        return [[*map(int, t)] or [self.tokenizer.pad] for t in self.tokenizer.encode([s.lower() for s in texts])]


def _cropped(sentence: str, document: Document, rng: random.Random) -> tuple[str, str]:
    others = [wordings[0] for wordings in document.sentences if wordings[0].strip() != sentence]
    made = crop(sentence, rng.sample(others, min(4, len(others))), rng)
    return (made[0] if made else sentence), sentence
