"""A second attempt at each answer: its form is taught, then what to make of it is learnt from the model's own attempts.

    form          the form of two attempts, and nothing on when to do what (data/pipeline/questions/attempts.py)
    pair_sft      own attempts are sampled, and tuned on by pairs (eval/grading/attempts.py)
    star          the same by those that ended well, in rounds
    reinforce     REINFORCE on own attempts: SCoRe, one stage of it, or RLCR, by the keys (train/reinforce)
    ilf           own attempts are criticised, refined and tuned on by what fits best (feedback.py)
    rlaif         which of two own attempts is better is judged, a reward learns it, and REINFORCE that (preferences.py)

All sample equally many attempts to the same questions, those of split relabel.
"""

from __future__ import annotations

from configs.schema import Config
from stages import Stage
from steps.self_correction.feedback import critic, ilf, refined
from steps.self_correction.learning import form, from_episodes, reinforce, rollout
from steps.self_correction.preferences import preferences, rewarded


def self_correction(config: Config, prepare: Stage, trained: Stage) -> list[Stage]:
    """Its stages, the last one with the model."""
    part = config.self_correction
    stages = [form(config, prepare, trained)]
    if part.method == "reinforce":
        stages.append(reinforce(config, prepare, stages[0]))
    if part.method in ("ilf", "rlaif"):
        drawn, speaker = rollout(config, prepare, stages[0], 1, 1), critic(config, prepare, stages[0])
        stages += [drawn, speaker]
        if part.method == "ilf":
            written = refined(config, prepare, drawn, speaker)
            stages += [written, ilf(config, prepare, stages[0], speaker, written)]
        else:
            learnt = preferences(config, prepare, drawn, speaker)
            stages += [learnt, reinforce(config, prepare, stages[0], rewarded(config, prepare, speaker, learnt))]
    rounds = {"pair_sft": 1, "star": part.rounds}.get(part.method, 0)
    for number in range(1, rounds + 1):
        drawn = rollout(config, prepare, stages[-1], number, rounds)
        stages += [drawn, from_episodes(config, prepare, stages[0], drawn, number, rounds)]
    return stages
