"""Does it copy identifiers from the context? Induction heads, and what silencing them costs each occurrence of a tag.

The scores are those of model/heads/induction.py, of each head and of the best. Where the model learnt with a tag behind
every sentence (`tags.placement=repeat`), a later tag of a document can be copied from an earlier one; only the first
has to be known. `id_loss` has nats of the identifier's first token, by occurrence, documents resampled: of the model as
it is (`intact`), without the quarter of its heads that match prefixes most (`induction`), and, as a control, without as
many that do so least (`others`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from data.pipeline.packing import collate
from data.pipeline.placement import PLACEMENTS, TagsConfig, tag
from data.pipeline.sample import Sample
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.calibration import ratio
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, measured
from model.attention import dense_mask
from model.heads.induction import induction_scores, repeated_runs
from model.heads.patterns import Head, silenced
from model.loss import token_nll

OCCURRENCES = 4
MOST = 200  # documents


def induction(read: Read) -> dict[str, Any]:
    """See the module docstring; heads are named "layer.head", from 0."""
    answerer, tokenizer = read.answerer, read.answerer.tokenizer
    scores = induction_scores(answerer.model, repeated_runs(sorted(tokenizer.starts), tokenizer.doc, read.seed))
    layers, heads = scores.prefix_matching.shape
    every: list[Head] = [(layer, head) for layer in range(layers) for head in range(heads)]
    by_head = {
        f"{layer}.{head}": {
            name: float(getattr(scores, name)[layer, head]) for name in ("prefix_matching", "previous_token", "copying")
        }
        for layer, head in every
    }
    order = sorted(every, key=lambda at: -float(scores.prefix_matching[at]))
    chosen = max(1, len(every) // 4)
    found: dict[str, Any] = {
        "heads": by_head,
        "best": {name: max(of[name] for of in by_head.values()) for name in next(iter(by_head.values()))},
        "in_context": scores.in_context,
    }
    if answerer.placement == PLACEMENTS["repeat"]:
        samples = repeating(read)
        found["silenced"] = [f"{layer}.{head}" for layer, head in order[:chosen]]
        arms: dict[str, Sequence[Head]] = {"intact": [], "induction": order[:chosen], "others": order[-chosen:]}
        found["id_loss"] = {name: _by_occurrence(answerer, samples, heads) for name, heads in arms.items()}
    return found


def repeating(read: Read) -> list[Sample]:
    """The documents that no tuning was about as training shows them, canonical wordings in their order."""
    asked = {name for question in read.questions for name in question.support}
    tokenizer, config = read.answerer.tokenizer, TagsConfig(placement="repeat", id_to_text=0.0, permute=False)
    codes = dict(zip(read.answerer.identifiers.labels, read.answerer.identifiers.tokens, strict=True))
    found = []
    for document in [d for d in read.documents if d.id in asked and len(d.sentences) > 1][:MOST]:
        sentences = [[tokens] for tokens in tokenizer.encode([wordings[0] for wordings in document.sentences])]
        found += tag(config, tokenizer, sentences, codes[document.id], 0, 10**6)
    return found


@torch.inference_mode()
def id_nll(answerer: LMAnswerer, samples: Sequence[Sample]) -> Floats:
    """Nats of the first token of each sample's identifiers, the first few: float64 (N, `OCCURRENCES`), nan for none."""
    model, tokenizer = answerer.model, answerer.tokenizer
    found = np.full((len(samples), OCCURRENCES), np.nan)
    for start in range(0, len(samples), answerer.batch):
        chunk = samples[start : start + answerer.batch]
        rows = collate([[s] for s in chunk], max(map(len, chunk)), tokenizer.pad).to(model.embed_tokens.weight.device)
        mask = dense_mask(rows.doc, rows.span, rows.note)
        nll = token_nll(model, rows.tokens, rows.positions, rows.targets, mask).double().cpu()
        for row, opened in enumerate((rows.tokens == tokenizer.src).cpu()):
            losses = nll[row, opened].numpy()[:OCCURRENCES]
            found[start + row, : len(losses)] = losses
    return found


def _by_occurrence(answerer: LMAnswerer, samples: Sequence[Sample], heads: Sequence[Head]) -> list[dict[str, Any]]:
    with silenced(answerer.model, heads):
        nats = id_nll(answerer, samples)
    there, filled = ~np.isnan(nats), np.nan_to_num(nats)
    return [
        measured(lambda w, n=n: ratio(w @ filled[:, n], w @ there[:, n].astype(float)), range(len(samples)))  # type: ignore[misc]
        for n in range(OCCURRENCES)
    ]


PROBE = Probe(
    title="Does it copy identifiers from the context?",
    about=(
        "What each attention head does on random tokens that repeat, and, under tags=repeat, nats of an identifier's "
        "first token by its occurrence in a document: as it is, without the heads that match prefixes most, and "
        "without as many others."
    ),
    run=induction,
)
