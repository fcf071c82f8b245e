"""Where did you read this? A model is asked for the setting of a passage, and may say that it does not recall it.

Asked as tuning asks (data/pipeline/questions/where_read.py), about documents that no tuning was about. Passages are
those of the probe membership. Of what was read by one document:

    slots      share of a scene's slots that are right, free decoding; chance is 1/16
    whole      share of scenes of which all are
    behind     the same two of what the tag behind the passage says, as pretraining taught it, with nothing asked
    first, frequent
               slots by the first scene it was read in, and by each slot's most frequent value, where readings differ;
               `slots` is by the last one, then
    constant   a floor: slots of the one scene that has, over all documents, each slot's most frequent true value
    says       share of passages that the model would recall: a scene is likelier than <|idk|>

Of what was never read, by the score log P(<|src|>) - log P(<|idk|>) behind the question, `auroc` against what was read
and `false_recollection`: the share that passes where 90% of what was read does. Beside it the baselines `loss` and
`min_k`, which ask nothing.

Where tags carry identifiers in place of scenes, `whole` is the identifier, and there are no slots.

Shape letters: N passages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data.pipeline.questions.where_read import ASKED
from data.pipeline.tokenizer import Tokenizer
from data.pipeline.visits.scenes import SLOTS, slot_values
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.metrics.statistics import Floats
from eval.probes import Probe, Read, share
from eval.probes.memorization.membership import READ, Passage, compared, make_passages, min_k

NOT_READ = ("altered", "unread_attribute", "unread_entity")
Scene = Sequence[int]


def scene_recall(read: Read) -> dict[str, Any]:
    """See the module docstring; {} where no passage was read by one document only.

    Each figure is {"value", "interval"} with 95% intervals that resample entities.
    """
    passages = [
        p
        for p in make_passages(read.questions, read.seed)
        if len(p.support) == 1 or (p.kind in NOT_READ and not p.support)
    ]
    kinds = np.array([p.kind for p in passages])
    if "read" not in kinds:
        return {}
    answerer = read.answerer
    prompts = [answerer.prompt(text) for text in answerer.tokenizer.encode([ASKED + p.text for p in passages])]
    lean = leaning(answerer, prompts)
    found: dict[str, Any] = {"n": {kind: int((kinds == kind).sum()) for kind in (*READ, *NOT_READ)}}
    for kind in READ:
        here = np.flatnonzero(kinds == kind).tolist()
        if here:
            found[kind] = _recalled(read, [passages[i] for i in here], [prompts[i] for i in here], lean[here])
    scores = {"asked": lean} | _unasked(answerer, passages)
    for kind in NOT_READ:
        pair = (kinds == "read") | (kinds == kind)
        clusters = [passages[i].entity for i in np.flatnonzero(pair).tolist()]
        if (kinds == kind).any():
            truth = kinds[pair] == "read"
            found[kind] = {name: compared(score[pair], truth, clusters) for name, score in scores.items()}
            entities = [p.entity for p in passages if p.kind == kind]
            found[kind]["says"] = share(lean[kinds == kind] > 0, entities)
    return found


def leaning(answerer: LMAnswerer, prompts: Sequence[Sequence[int]]) -> Floats:
    """log P(<|src|>) - log P(<|idk|>) behind each prompt, nats: float64 (N,)."""
    marks, found = [answerer.format.opening, answerer.format.refusals[0]], []
    for start in range(0, len(prompts), answerer.batch):
        _, logits = answerer.read(prompts[start : start + answerer.batch])
        two = logits[:, marks].double().cpu().numpy()
        found.append(two[:, 0] - two[:, 1])
    return np.concatenate(found)


def slots_right(tokenizer: Tokenizer, spelled: Scene, true: Scene) -> float:
    """Share of the slots of a true scene that another one fills alike."""
    values, wanted = slot_values(tokenizer, spelled), slot_values(tokenizer, true)
    return sum(value == want for value, want in zip(values, wanted, strict=True)) / len(wanted)


def most_frequent(tokenizer: Tokenizer, scenes: Sequence[Scene]) -> Scene:
    """The most frequent value of each slot, the one that came first among equals."""
    return [Counter(values).most_common(1)[0][0] for values in zip(*scenes, strict=True)]


def _recalled(read: Read, passages: Sequence[Passage], prompts: Sequence[Scene], lean: Floats) -> dict[str, Any]:
    answerer, clusters = read.answerer, [p.entity for p in passages]
    own = dict(zip(answerer.identifiers.labels, answerer.identifiers.tokens, strict=True))
    seen = [[list(map(int, one)) for one in read.readings.get(p.support[0], ())] for p in passages]
    true: list[Scene] = [
        scenes[-1] if scenes else list(map(int, own[p.support[0]])) for scenes, p in zip(seen, passages, strict=True)
    ]
    asked = answerer.spelled_after(prompts)
    found = _graded(answerer.tokenizer, asked, true, clusters) | {"says": share(lean > 0, clusters)}
    last = {name: scenes[-1] for name, scenes in read.readings.items() if scenes}
    usual = most_frequent(answerer.tokenizer, [list(map(int, last.get(name, own[name]))) for name in own])
    found["constant"] = _graded(answerer.tokenizer, [usual for _ in true], true, clusters).get("slots")
    if all(seen):
        others: dict[str, list[Scene]] = {
            "first": [scenes[0] for scenes in seen],
            "frequent": [most_frequent(answerer.tokenizer, scenes) for scenes in seen],
        }
        for name, scenes in others.items():
            found[name] = _graded(answerer.tokenizer, asked, scenes, clusters).get("slots")
    if answerer.cites:
        behind = answerer.spelled_behind([p.text for p in passages])
        found["behind"] = _graded(answerer.tokenizer, behind, true, clusters)
    return found


def _graded(
    tokenizer: Tokenizer, spelled: Sequence[Scene], true: Sequence[Scene], clusters: Sequence[str]
) -> dict[str, Any]:
    whole = share([list(one) == list(want) for one, want in zip(spelled, true, strict=True)], clusters)
    if any(len(want) != len(SLOTS) or -1 in slot_values(tokenizer, want) for want in true):
        return {"whole": whole}
    right = np.array([slots_right(tokenizer, one, want) for one, want in zip(spelled, true, strict=True)])
    return {"slots": share(right, clusters), "whole": whole}


def _unasked(answerer: LMAnswerer, passages: Sequence[Passage]) -> dict[str, Floats]:
    """The scores that know no documents: `loss` and `min_k` of the probe membership."""
    rows = [([answerer.tokenizer.doc], text) for text in answerer.tokenizer.encode([p.text for p in passages])]
    plain = token_log_probs(answerer.model, rows, answerer.batch)
    return {"loss": np.array([text.mean() for text in plain]), "min_k": np.array([min_k(text) for text in plain])}


PROBE = Probe(
    title="Where did it read this, or does it not recall reading it?",
    about=(
        "Slots: how many of the seven of a scene it names rightly when asked (chance 1/16), and by the tag behind the "
        "passage. False recollection: of what was not read, the share that passes where 90% of what was read does; "
        "loss and Min-K% ask nothing."
    ),
    run=scene_recall,
)
