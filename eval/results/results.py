"""results.json: everything a run measured, as one plain dictionary.

    schema                3; 1 had keys and names by other words (configs/renamed.py), in 2 stood under `abstention`
                          what is under `given` now
    name                  what the run is called
    config                the resolved configuration, nested
    seed                  of the run; null when unknown (predictions scored by themselves)
    given                 attribution, abstention and systems once more, in the same shape, of what is given the
                          corpus's own statement form of each question (eval/results/given.py); everything else is had
                          with the question's text only
    attribution           by split ("never_tuned", "reworded", "in_domain", "tune"), those that have questions:
        system                whose metrics follow: "cloze", what an expert completes of the statement that it makes
                              of the question, where it can make one; else "whence", its answer in dialogue
        n, n_absent           questions the corpus answers, which every metric is over, and those it does not
        joint, answer_em, citation, hits10, cited, cited10, valid_unconstrained, set_recall
                              see eval/grading/attribution.py; null without a denominator
        joint_document, cited_document
                              the same of documents, only where the corpus has passages
        missing, outcomes     predictions that are not there; how many there are of each outcome, absent ones included
        intervals             by metric [low, high], 95%, entities resampled; null where there is nothing to resample
        by_attribute, by_support_class
                              all of the above for each attribute and each support class
        citation_quality      of answers that cite in brackets, where eval.score found such; see
                              eval/grading/citation_quality.py
        floors                all of the above (not broken down) for every other system (uniform, most_frequent,
                              question_only, bm25, oracle), with "margin": {"value", "interval"}: how far our `cited`
                              is ahead of theirs, paired
    abstention            by fold ("calibration", "dev", "test") where a corpus has folds, else empty: policy (by which
                          it answers and withholds), n, n_by_class,
                          each metric of eval/results/selective_metrics.py as {"value", "interval"}, fitted on the first
                          two, smooth_ece_by_class, and the confusion of what was told and what was said;
                          "reworded": the test fold once more in wordings that the corpus never used
    systems               by system of eval/selective/selective_baselines.py, its headline metrics on the test fold
    signals               by signal: AUROC of told against never told, each absent class, and right against wrong; the
                          difference of the first to the two-way score's, paired, with a p value after Holm
    exposure              by number of documents that say so, see eval/results/fact_frequency.py
    probes                membership, self_evidence, dominance; see the modules of these names
    contested             by system of those asked everything: right and lied, where sources contradict each other, see
                          eval/grading/contested.py; {} where none do
    costs                 by system that a user might run: "bytes" that it holds at question time, and "seconds" a
                          question, asked in batches on the machine of the run; of statements with all their signals
    bits_per_byte         on held-out documents; null when not measured
    bits_per_byte_given   the same of systems that read a control token with the text, by system; {} where none do
    bits_per_byte_train   on training documents
    stage_seconds         wall-clock seconds by stage; "seconds" is their sum, null without stages
    tokens                places of the rows trained on, by stage
    accounting            where those went, by stage: text, tag, question, answer, padding; see
                          data/pipeline/token_accounting.py
    versions, git         library versions; the revision of the code, null when unknown
    single_run            true: no file holds more than one seed. `eval.compare` puts seeds together

Numbers are shares in [0, 1], not percentages. There is no NaN in the file: what is not a number is null.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data.atomic import write_json
from data.records import SPLITS, SUPPORT_CLASSES, Prediction, Question
from eval.grading.attribution import EVERY, UNCUT, Grade, grade, margin, summarise

SCHEMA = 3
EMPTY: Mapping[str, Any] = MappingProxyType({})


def attribution_results(
    questions: Sequence[Question],
    systems: Mapping[str, Sequence[Prediction]],
    model: str = "whence",
    whole: Mapping[str, str] = UNCUT,
) -> dict[str, Any]:
    """The "attribution" part of results.json.

    Args:
        systems: each system's predictions by name; all but `model` are reported as floors.
        whole: by the id of a passage the id of its document; empty where no document was cut.

    Raises:
        ValueError: `model` is not among the systems, or predictions do not fit the questions (see `grade`).
    """
    if model not in systems:
        raise ValueError(f'no predictions of "{model}" among the systems ({", ".join(systems)})')
    grades = {}
    for name, predictions in systems.items():
        try:
            grades[name] = grade(questions, predictions, whole)
        except ValueError as error:
            raise ValueError(f"predictions of {name}: {error}") from None
    results = {}
    for split in SPLITS:
        parts = {name: [g for g in all_ if g.question.split == split] for name, all_ in grades.items()}
        mine = parts.pop(model)
        if mine:
            floors = {name: summarise(part) | {"margin": margin(mine, part)} for name, part in parts.items()}
            results[split] = {"system": model} | _broken_down(mine) | {"floors": floors}
    return results


def system_of(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The attribution of one system, from that of a split; {} where it has none."""
    return part if part.get("system", name) == name else part.get("floors", {}).get(name, {})


def build_results(
    *,
    name: str,
    config: Mapping[str, Any],
    seed: int | None,
    attribution: Mapping[str, Any],
    abstention: Mapping[str, Any] = EMPTY,
    systems: Mapping[str, Any] = EMPTY,
    signals: Mapping[str, Any] = EMPTY,
    exposure: Mapping[str, Any] = EMPTY,
    probes: Mapping[str, Any] = EMPTY,
    contested: Mapping[str, Any] = EMPTY,
    given: Mapping[str, Any] = EMPTY,
    costs: Mapping[str, Mapping[str, float]] = EMPTY,
    bits_per_byte: float | None = None,
    bits_per_byte_given: Mapping[str, float | None] = EMPTY,
    bits_per_byte_train: float | None = None,
    stage_seconds: Mapping[str, float],
    tokens: Mapping[str, int],
    accounting: Mapping[str, Mapping[str, int]] = EMPTY,
    versions: Mapping[str, str],
    git: str | None,
) -> dict[str, Any]:
    """The whole dictionary; see the module docstring."""
    return {
        "schema": SCHEMA,
        "name": name,
        "config": dict(config),
        "seed": seed,
        "attribution": dict(attribution),
        "abstention": dict(abstention),
        "systems": dict(systems),
        "signals": dict(signals),
        "exposure": dict(exposure),
        "probes": dict(probes),
        "contested": dict(contested),
        "given": {part: dict(given.get(part, {})) for part in ("attribution", "abstention", "systems")},
        "costs": {system: dict(cost) for system, cost in costs.items()},
        "bits_per_byte": bits_per_byte,
        "bits_per_byte_given": dict(bits_per_byte_given),
        "bits_per_byte_train": bits_per_byte_train,
        "seconds": sum(stage_seconds.values()) if stage_seconds else None,
        "stage_seconds": dict(stage_seconds),
        "tokens": dict(tokens),
        "accounting": {stage: dict(counts) for stage, counts in accounting.items()},
        "versions": dict(versions),
        "git": git,
        "single_run": True,
    }


def write_results(path: str | os.PathLike[str], results: Mapping[str, Any]) -> None:
    """Write results as JSON, whole or not at all. Raises OSError for a folder."""
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file to write the results to")
    write_json(Path(path), _finite(results))


def read_results(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Inverse of `write_results`. Raises ValueError, naming the file and the key, when it is not such a file."""
    try:
        results = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if isinstance(results, dict) and results.get("schema") == 1:
        raise ValueError(f"{path}: made before the renaming (schema 1); the same run.py command of today makes it anew")
    if isinstance(results, dict) and results.get("schema") == 2:
        raise ValueError(
            f"{path}: made when `abstention` was given the statement form (schema 2), which stands under `given` now; "
            "the same run.py command of today makes it anew"
        )
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        raise ValueError(f"{path}: not a results file of schema {SCHEMA}")
    try:
        _check_shape(results)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; the run.py command that made the run writes it anew") from None
    return results


def setting(results: Mapping[str, Any], key: str) -> Any:
    """A setting by its dotted key, "abstention_sft.method". Raises ValueError where the configuration lacks it."""
    value: Any = results["config"]
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"the configuration has no {key}")
        value = value[part]
    return value


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration as one level of dotted keys; empty groups stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
    return flat


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A share for people: "41.2", "41.2 [38.0, 44.3]", or "-" for one that is undefined."""
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + (f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "")


def _check_shape(results: Mapping[str, Any]) -> None:
    """Raises ValueError, naming the key, where what is read again is not as `build_results` has it."""
    for key in ("name", "config", "seed", "attribution", "bits_per_byte", "seconds", "tokens"):
        if key not in results:
            raise ValueError(f"it has no {key!r}")
    if not isinstance(results["name"], str):
        raise ValueError("'name' is no text")
    if not (results["seed"] is None or type(results["seed"]) is int):
        raise ValueError("'seed' is neither a whole number nor null")
    for key in ("config", "abstention", "signals", "probes"):
        _object(results, key)
    for key, number in _numbers(results):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"{key!r} is neither a number nor null")


def _numbers(results: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What tables and reports take for a number or null."""
    yield from ((key, results[key]) for key in ("bits_per_byte", "seconds"))
    yield from ((f"tokens.{stage}", count) for stage, count in _object(results, "tokens").items())
    for split in _object(results, "attribution"):
        part = _object(results["attribution"], split, "attribution.")
        yield from ((f"attribution.{split}.{metric}", part.get(metric)) for metric in EVERY)
        for metric, bounds in _object(part, "intervals", f"attribution.{split}.").items():
            where = f"attribution.{split}.intervals.{metric}"
            if bounds is not None and not (isinstance(bounds, list) and len(bounds) == 2):
                raise ValueError(f"{where!r} is neither two bounds nor null")
            yield from ((where, bound) for bound in bounds or ())
    for system in _object(results, "systems"):
        for metric, measure in _object(results["systems"], system, "systems.").items():
            yield f"systems.{system}.{metric}", measure.get("value", measure) if isinstance(measure, dict) else measure


def _object(holder: Mapping[str, Any], key: str, within: str = "") -> dict[str, Any]:
    found = holder.get(key, {})
    if not isinstance(found, dict):
        raise ValueError(f"{within + key!r} is no object")
    return found


def _broken_down(grades: Sequence[Grade]) -> dict[str, Any]:
    return summarise(grades) | {
        "by_attribute": _by(grades, lambda g: g.question.attribute or "unknown"),
        "by_support_class": _by(grades, lambda g: g.question.support_class, order=SUPPORT_CLASSES),
    }


def _by(grades: Sequence[Grade], key: Callable[[Grade], str], order: Sequence[str] = ()) -> dict[str, Any]:
    names = {key(g) for g in grades}
    return {
        name: summarise([g for g in grades if key(g) == name])
        for name in (*(n for n in order if n in names), *sorted(names.difference(order)))
    }


def _finite(value: Any) -> Any:
    """The same value with null for every NaN and infinity: JSON has neither."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
