"""Generative retrieval over the corpus at hand: the evidence has to be one of its sentences.

Each token is one that a sentence of the corpus has there (De Cao et al. 2021, "Autoregressive entity retrieval", arXiv
2010.00904; SEAL, Bevilacqua et al. 2022, arXiv 2204.10628, over all its n-grams). The model that writes its evidence
freely may write what no document says; this one can't. The difference is what recall of the words alone costs. It needs
every sentence at question time, like open book.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from data.records import Citation, Document, Prediction, Question
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prefilled import answer_from, opened
from eval.answerers.retrievers.bm25 import text_bytes
from eval.answerers.retrievers.open_book import short_sentences
from model.generate import read_on
from model.trie import Node, Trie


class SentenceTrie:
    """Writes the likeliest sentence of the corpus token by token, greedy, and answers from it.

    Where a format begins with the source, it is written after the likeliest one; cited is the document it stands in.

    Args:
        answerer: of a format that shows evidence.
        documents: under the names that are cited.
    """

    name = "sentence_trie"

    def __init__(self, answerer: LMAnswerer, documents: Sequence[Document]) -> None:
        self.answerer = answerer
        self.nbytes = answerer.nbytes + text_bytes(documents)
        held = short_sentences(answerer, documents)
        self.texts = [text for _, text, _ in held]
        self.sources: dict[str, list[str]] = {}  # of each sentence, the documents that have it
        for name, text, _ in held:
            self.sources.setdefault(text, []).append(name)
        self.trie = Trie.build([t for _, _, t in held], answerer.format.between)

    def answer(self, questions: Sequence[Question]) -> list[Prediction]:
        texts = self.answerer.tokenizer.encode([question.text for question in questions])
        order = sorted(range(len(questions)), key=lambda i: len(texts[i]))
        found = [""] * len(questions)
        for start in range(0, len(order), self.answerer.batch):
            chunk = order[start : start + self.answerer.batch]
            for i, sentence in zip(chunk, self._written([texts[i] for i in chunk]), strict=True):
                found[i] = self.texts[sentence]
        asked = [(q.text, text) for q, text in zip(questions, found, strict=True)]
        read = answer_from(self.answerer, asked, [self.sources[text][0] for text in found])
        return [
            Prediction(
                question.id,
                "answered" if answer else "unparseable",
                answer or None,
                tuple(Citation(name) for name in dict.fromkeys(self.sources[text])) if answer else (),
                signals={"answer": log_prob} if answer else {},
                evidence=text,
            )
            for question, text, (answer, log_prob) in zip(questions, found, read, strict=True)
        ]

    @torch.inference_mode()
    def _written(self, texts: Sequence[np.ndarray]) -> list[int]:
        """The sentence that is written to each question, its number."""
        answerer, end = self.answerer, self.answerer.format.between
        context = opened(answerer, texts)
        logits = answerer.begun(context)
        nodes: list[Node] = [self.trie.root] * len(texts)
        alive = torch.ones(len(texts), dtype=torch.bool, device=logits.device)
        while alive.any():
            chosen = []
            for row, node in enumerate(nodes):
                if not alive[row]:
                    chosen.append(end)
                    continue
                tokens, children = self.trie.children(node)
                best = int(logits[row, torch.from_numpy(tokens.astype(np.int64)).to(logits.device)].argmax())
                chosen.append(int(tokens[best]))
                nodes[row] = children[best]
            token = torch.tensor(chosen, device=logits.device)
            alive = alive & (token != end)
            if alive.any():
                logits = read_on(answerer.model, context, token[:, None], alive[:, None])
        leaves = [self.trie.leaf(node, end) for node in nodes]
        return [leaf for leaf in leaves if leaf is not None]
