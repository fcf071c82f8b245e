"""Ask a model that was not trained here, from a Hugging Face folder or behind an endpoint, and keep what it says.

    python -m eval.answer model=FOLDER questions=Q.jsonl documents=D.jsonl
    python -m eval.answer model=NAME endpoint=http://localhost:8000/v1/completions questions=Q.jsonl documents=D.jsonl

It gets the text of each question, after a few tuning questions that show the form of an answer. The predictions are
scored as any others: `python -m eval.score`.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.records import OUTCOMES, Question, read_jsonl, write_jsonl
from eval.arguments import Command, one_of, whole_number
from eval.corpus import COLUMNS, read_corpus

CITATIONS = ("free", "trie")

COMMAND = Command(
    name="python -m eval.answer",
    summary="Let any language model answer the questions that are not for tuning, each with the id of a document.",
    required={
        "model": "folder of a Hugging Face model with safetensors; with an endpoint, the model's name there",
        "questions": "JSONL file of questions; those of split tune are the examples that it is shown",
        "documents": "the corpus, as corpus.path of a run has it: the ids that can be cited",
    },
    optional={
        "endpoint": "OpenAI-compatible url that ends in /completions or /chat/completions; OPENAI_API_KEY is its key",
        "out": "where to write the predictions (default: predictions.jsonl)",
        "shots": "examples (default: 4)",
        "citations": "free: the id that it writes; trie: all ids ranked by its probability (default: free)",
        "batch": "questions side by side (default: 8)",
        "limit": "questions to ask, the first ones (default: all)",
        "device": "of a folder's model (default: cuda where there is one, else cpu)",
        **COLUMNS,
    },
)


def main(values: Mapping[str, str], _: Sequence[str]) -> None:
    shots, batch = whole_number(values, "shots", 4, least=0), whole_number(values, "batch", 8)
    limit = whole_number(values, "limit", sys.maxsize)
    citations, endpoint = one_of(values, "citations", CITATIONS), values.get("endpoint")
    if endpoint and citations == "trie":
        raise ValueError("citations=trie needs the model itself: an endpoint does not rank documents")
    out = Path(values.get("out", "predictions.jsonl"))
    if out.is_dir() or not out.parent.is_dir():
        raise ValueError(f"{out} can't be written: {'it is a folder' if out.is_dir() else 'its folder is not there'}")
    questions = list(read_jsonl(values["questions"], Question))
    ids = [document.id for document in read_corpus(values, questions)]
    # they take seconds to import, which neither --help nor a wrong argument should cost
    from eval.answerers.prompted.answerer import EVALUATED, Prompted, Ranker, Writer
    from eval.answerers.prompted.prompt import FewShot

    asked = [q for q in questions if q.split in EVALUATED]
    if not asked:
        raise ValueError(f"{values['questions']} has no questions of the splits {', '.join(EVALUATED)}")
    examples = FewShot.of(questions, shots)
    writer: Writer
    ranker: Ranker | None = None
    if endpoint:
        from eval.answerers.prompted.endpoint import Endpoint

        writer = Endpoint(endpoint, values["model"], parallel=batch)
    else:
        from eval.answerers.prompted.hf import HFModel, HFRanker

        writer = HFModel(values["model"], values.get("device", ""))
        ranker = HFRanker(writer, ids) if citations == "trie" else None
    said = Prompted(values["model"], writer, examples, ids, ranker, batch).answer(asked[:limit])
    write_jsonl(out, said)
    counts = Counter(p.outcome for p in said)
    print(", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]))
    print(f"{out} is scored by: python -m eval.score questions={values['questions']} predictions={out}")


if __name__ == "__main__":
    COMMAND.run(main)
