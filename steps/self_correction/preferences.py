"""The stages of AI feedback: pairs of own attempts are judged, and a reward that learnt the preferences is reinforced.

preferences   pairs of first attempts (stage rollout1) at one question, judged by the constitution; reward.json, the
              head, and found.json, how often it agrees with the judge and with the ledger on questions kept from it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs.schema import Config
from stages import Stage, announced, write_json
from stages.code import code_digest
from steps.self_correction.feedback import CRITICS, judged_by, ledger
from steps.self_correction.learning import EPISODES, Rewarded, asked_of

if TYPE_CHECKING:
    from data.pipeline.questions.attempts import Attempt
    from data.records import Question
    from steps.corpus import Corpus

REWARD, FOUND = "reward.json", "found.json"
KEPT_BACK = 5  # every fifth question is kept from the reward, to see how often it prefers rightly
MODULES = (*CRITICS, "eval.feedback.preferences")


def preferences(config: Config, prepare: Stage, drawn: Stage, critic: Stage) -> Stage:
    """A reward on the critic's states, from pairs of neighbouring samples that differ."""
    part = config.self_correction
    settings = {
        "prepare": prepare.key,
        "rollout": drawn.key,
        "critic": critic.key,
        "ids": asdict(config.ids),
        "judge": part.critique.judge,
        "target": part.target,
        "code": code_digest(MODULES),
    }

    def work(folder: Path) -> dict[str, Any]:
        import numpy as np

        from data.pipeline.questions.attempts import AttemptForm, Episode
        from data.records import read_jsonl
        from eval.feedback.constitution import certain, worths
        from eval.feedback.preferences import RewardModel, agreement, preferred, states
        from model.hf import load_model
        from steps.corpus import Corpus

        corpus = Corpus.of(config, prepare)
        shape, asked = AttemptForm(corpus.tokenizer, corpus.identifiers), asked_of(corpus)
        model, value, says = load_model(critic.folder / "model").eval(), worths(part.target), ledger(shape)
        said = [(one.question, one.attempts[0]) for one in read_jsonl(drawn.folder / EPISODES, Episode)]
        pairs = [(a, b) for a, b in list(pairwise(said))[::2] if a[0] == b[0] and a != b]
        if not pairs:
            raise ValueError(
                "self_correction.method=rlaif: no two attempts at a question differ; raise the temperature"
            )
        texts = dict(zip((q.id for q in asked), shape.tokenizer.encode([q.text for q in asked]), strict=True))
        questions, number = {q.id: q for q in asked}, {q.id: place for place, q in enumerate(asked)}
        judge = judged_by(config, shape, model, asked)
        sides = [[pair[side] for pair in pairs] for side in (0, 1)]
        left, right = (
            states(model, shape, [texts[q] for q, _ in s], [a for _, a in s], config.eval.batch) for s in sides
        )
        wanted = preferred(judge(sides[0]), judge(sides[1]), value)
        a, b = (certain([says(questions[name], attempt) for name, attempt in side]) for side in sides)
        true = preferred(a, b, value)
        back = np.array([number[a[0]] % KEPT_BACK == 0 for a, _ in pairs])
        learnt = RewardModel.fitted(left[~back], right[~back], wanted[~back])
        gap = learnt(left) - learnt(right)
        found = {
            "pairs": len(pairs),
            "agrees_with_judge": agreement(gap[back], wanted[back]),
            "agrees_with_ledger": agreement(gap[back], true[back]),
            "judge_agrees_with_ledger": agreement(wanted - 0.5, true),
        }
        write_json(folder / REWARD, learnt.to_json())
        write_json(folder / FOUND, found)
        return {"pairs": len(pairs)}

    stage = Stage("preferences", settings, Path(config.stages_dir), Path(config.run_dir))
    announced(stage, stage.whole, work)
    return stage


def rewarded(config: Config, prepare: Stage, critic: Stage, learnt: Stage) -> Rewarded:
    """The reward of a stage of preferences, for REINFORCE."""

    def of(corpus: Corpus, asked: list[Question]) -> Callable[[int, Attempt], float]:
        import json

        from data.pipeline.questions.attempts import AttemptForm
        from eval.feedback.preferences import RewardModel, states
        from model.hf import load_model

        shape = AttemptForm(corpus.tokenizer, corpus.identifiers)
        model = load_model(critic.folder / "model").eval()
        head = RewardModel.from_json(json.loads((learnt.folder / REWARD).read_text(encoding="utf-8")))
        texts = shape.tokenizer.encode([question.text for question in asked])

        @cache
        def worth(number: int, attempt: Attempt) -> float:
            return float(head(states(model, shape, [texts[number]], [attempt]))[0])

        return worth

    return Rewarded(learnt.key, of)
