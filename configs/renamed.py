"""What keys and names were called before they got the field's words: old to new, in one place.

Messages about an old command, and `python -m bench.results_compare`, read from here.
"""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, str] = {  # of a configuration; those of a section go with what stands below it
    "batch.row": "batch.seq_len",
    "batch.rows": "batch.sequences",
    "pretrain.mix": "pretrain.qa_fraction",
    "tune": "sft",
    "second.absent": "abstention_sft.idk_fraction",
    "second": "abstention_sft",
    "eval.refused": "eval.max_abstained_correct",
    "tags.recall": "tags.id_to_text",
    "model.hidden": "model.ffn_dim",
    "corpus.second": "corpus.relabel",
    "corpus.told": "corpus.assert_prob",
    "corpus.unsaid": "corpus.unanswerable",
}
OPTIONS: Mapping[str, str] = {"tags/footnote_recall": "tags=footnote_bidirectional"}  # of groups
SYSTEMS: Mapping[str, str] = {
    "weighed": "selected",
    "two_way": "bidirectional",
    "two_way_sum": "bidirectional_sum",
    "entropy": "semantic_entropy",
    "restated": "declarative",
    "recited": "cloze",
}
SIGNALS: Mapping[str, str] = {
    "told": "lp_statement_given_id",
    "noted": "lp_id_given_statement",
    "unprompted": "lp_statement",
    "least": "min_token_logprob",
    "worded": "lp_statement_mean",
    "recited": "lp_answer_given_opening",
    "told_answer": "lp_answer_given_id",
    "said": "lp_asserted",
    "weighed": "lp_correct",
    "concord": "neg_semantic_entropy",
    "instead": "best_word",
}
PAIRS: Mapping[str, str] = {"told": "answerable"}
METRICS: Mapping[str, str] = {"auroc_told": "auroc_answerable"}
MEMBERSHIP: Mapping[str, str] = {"two_way": "bidirectional", "recall": "id_to_text"}
STAGES: Mapping[str, str] = {"tune": "sft", "attempt": "rollout", "second": "abstention_sft"}
SPLITS: Mapping[str, str] = {"second": "relabel"}


def renamed_key(key: str) -> str | None:
    """What a key of a configuration is called now: None for one that was never renamed."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        if new := KEYS.get(".".join(parts[:length])):
            return ".".join([new, *parts[length:]])
    return None
