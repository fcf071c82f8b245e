"""All that a policy decides by: what the model shows beside its answers, and what comes of the statements they make.

Three stages. `signals` needs the question's text and the answer. `statements` needs a statement besides, which the
model writes itself, as in `eval.ask` (`Evaluated.understood`). `statements_given` is handed
the corpus's own form of each question's statement, which no user has (eval/results/given.py); where the two are the
same, it has nothing to do. A file of predictions is written whole, with what the stage before found, so that nobody has
to join them.

A model that had abstention SFT is judged by what it says; only on the test fold its sources are those of statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import Stage, announced
from steps.evaluation.evaluated import Evaluated, is_plain

if TYPE_CHECKING:
    from data.records import Prediction, Question
    from eval.signals import Extractor

SIGNALS, STATEMENTS, GIVEN = "signals", "statements", "statements_given"  # the stages
DECLARATIVE, CLOZE, EVIDENCE = "declarative", "cloze", "evidence"  # systems, and the names of their files
MADE_BY = {DECLARATIVE: "bidirectional", CLOZE: "cloze_candidates", EVIDENCE: "evidence_candidates"}  # without it, none


def signals(evaluated: Evaluated, answered: Stage) -> list[Stage]:
    """The stages: predictions.jsonl; and twice declarative.jsonl, with all signals and rivals, and, of an expert,
    cloze.jsonl, the best completion."""
    first, own, given = stages = signals_stages(evaluated, answered)
    announced(first, first.whole, lambda folder: _signals(evaluated, answered, folder))
    announced(own, own.whole, lambda folder: _statements(evaluated, first, None, folder))
    announced(given, given.whole, lambda folder: _statements(evaluated, first, own, folder))
    return stages


def signals_stages(evaluated: Evaluated, answered: Stage) -> list[Stage]:
    """Where they stand; nothing is made."""
    config = evaluated.config
    settings = {"answer": answered.key, "seed": config.seed}
    if evaluated.expert:
        settings["samples"] = config.eval.samples
    shown, stated = (list(_extractors(evaluated, statement)) for statement in (False, True))
    first = evaluated.stage(SIGNALS, _code(shown), settings | {"extractors": shown})
    settings = {SIGNALS: first.key, "extractors": stated, "citations": config.eval.citations}
    own = evaluated.stage(
        STATEMENTS,
        [*_code(stated), "eval.answerers.writers.statements"],
        settings | {"rewriting": asdict(config.rewriting)},
    )
    return [first, own, evaluated.stage(GIVEN, _code(stated), settings | {STATEMENTS: own.key})]


def _code(extractors: Sequence[str]) -> list[str]:
    return [__name__, *(f"eval.signals.{name}" for name in extractors)]


def _signals(evaluated: Evaluated, answered: Stage, folder: Path) -> dict[str, Any]:
    from data.records import Prediction, read_jsonl, write_jsonl

    said = list(read_jsonl(answered.folder / f"{evaluated.answerer.name}.jsonl", Prediction))
    write_jsonl(folder / "predictions.jsonl", _shown(evaluated, evaluated.questions, said, statement=False))
    return {}


def _statements(evaluated: Evaluated, shown: Stage, own: Stage | None, folder: Path) -> dict[str, Any]:
    from data.records import Prediction, read_jsonl, write_jsonl
    from eval.signals.cloze_candidates import best_completion
    from eval.signals.evidence_candidates import best_evidence

    given, found = evaluated.questions, list(read_jsonl(shown.folder / "predictions.jsonl", Prediction))
    asked = evaluated.understood(found)
    here = list(range(len(asked)))
    if own:  # only what the statements given make different
        # A question that brings neither statement nor premise is given nothing.
        here = [i for i in here if any(_checked(given[i])) and _checked(asked[i]) != _checked(given[i])]
        others = list(read_jsonl(own.folder / f"{DECLARATIVE}.jsonl", Prediction))
        found, asked = [found[i] if i in {*here} else others[i] for i in range(len(asked))], given
    checked = _shown(evaluated, [asked[i] for i in here], [found[i] for i in here], statement=True)
    for i, prediction in zip(here, checked, strict=True):
        found[i] = prediction
    systems = {DECLARATIVE: found}
    if evaluated.expert and evaluated.answerer.format.evidenced:
        systems[EVIDENCE] = list(map(best_evidence, found))
    elif evaluated.expert:
        systems[CLOZE] = list(map(best_completion, found))
    for name, predictions in systems.items():
        write_jsonl(folder / f"{name}.jsonl", predictions)
    made = [name for name in systems if MADE_BY[name] in _extractors(evaluated, statement=True)]
    stated = evaluated.answerer.cites and any(q.statement for q in asked if is_plain(q))
    brought = any(any(_checked(q)) for q in given)
    return {
        "systems": made if stated and (brought or not own) else [],
        "questions": len(here),
        "given": brought,
    }


def _checked(question: Question) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What of a question's statement and premise is read: of a premise the first wordings only."""
    from eval.signals.bidirectional import WORDINGS

    return question.statement, question.premise[:WORDINGS]


def _shown(
    evaluated: Evaluated, questions: Sequence[Question], said: Sequence[Prediction], statement: bool
) -> list[Prediction]:
    """With the signals of extractors; after abstention SFT on the test fold only, which is all that shows them."""
    from eval.signals import Asked

    config, found = evaluated.config, list(said)
    here = [i for i, q in enumerate(questions) if evaluated.expert or q.fold in ("", "test")]
    asked, shown = [questions[i] for i in here], [said[i] for i in here]
    for extractor in _extractors(evaluated, statement).values():
        shown = extractor.extract(Asked(evaluated.answerer, asked, shown, config.eval.samples, config.seed))
    for i, prediction in zip(here, shown, strict=True):
        found[i] = prediction
    return found


def _extractors(evaluated: Evaluated, statement: bool) -> dict[str, Extractor]:
    """Those of the run that need a statement, or those that need none."""
    from eval.signals import extractor

    found = {name: extractor(name) for name in evaluated.config.eval.signals}
    return {name: one for name, one in found.items() if one.statement == statement and (evaluated.expert or one.spoken)}
