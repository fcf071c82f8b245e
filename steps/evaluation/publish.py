"""Results, report and links into the run directory; made anew each time, from what the stages recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import compress
from pathlib import Path
from typing import Any

from configs.schema import Config
from data.atomic import atomic_link
from data.pipeline.identifiers import OF_ITS_OWN
from data.pipeline.placement import PLACEMENTS
from stages import Stage, write_json
from stages.record import DONE, entry, write_record
from stages.uses import forget_begun, publish_uses
from steps.evaluation.evaluated import is_plain
from steps.evaluation.probes import found_by_probes
from steps.evaluation.signals import CLOZE, DECLARATIVE, EVIDENCE, GIVEN, SIGNALS, STATEMENTS

OWN = ("config.json", "policy.json", "results.json")


def publish(config: Config, folder: Path, stages: Sequence[Stage]) -> None:
    """Write results.json, report.html, config.json, policy.json and TensorBoard's files, and say where they are.

    `stages` begin with prepare; after those of training come those of evaluation, answer, signals and the probes.
    """
    from data.records import Prediction, Question, read_jsonl
    from data.storage.passages import documents_of
    from data.storage.shards import read_documents, read_index
    from eval.grading.contested import contested_results
    from eval.report.abstention_figures import abstention_figures
    from eval.report.report import write_report
    from eval.results.abstention_report import AbstentionReport
    from eval.results.recorded import record_run
    from eval.results.results import attribution_results, build_results, write_results
    from eval.score import abstention_table, table
    from train.fit import read_metrics

    folder.mkdir(parents=True, exist_ok=True)  # it was there at the start, and empty
    (folder / DONE).unlink(missing_ok=True)
    prepare, at = stages[0], {stage.name: stage.folder for stage in stages}
    records = {stage.name: stage.done or {} for stage in stages}
    trained = [stage for stage in stages if "tokens" in records[stage.name]]
    measured = records["answer"]
    questions = list(read_jsonl(at["answer"] / "questions.jsonl", Question))
    plain = list(map(is_plain, questions))
    asked = list(compress(questions, plain))

    def systems_of(stage: str, names: Sequence[str]) -> dict[str, list[Prediction]]:
        read = {name: list(read_jsonl(at[stage] / f"{name}.jsonl", Prediction)) for name in names}
        return {name: list(compress(said, plain)) if len(said) == len(plain) else said for name, said in read.items()}

    def knowing_of(stage: str) -> AbstentionReport | None:
        forced = list(read_jsonl(at[stage] / f"{DECLARATIVE}.jsonl", Prediction))
        return AbstentionReport.of(questions, forced, config.eval.max_abstained_correct)

    systems = systems_of("answer", measured["systems"][:1]) | systems_of(STATEMENTS, records[STATEMENTS]["systems"])
    systems |= systems_of("answer", measured["systems"][1:])
    # The system that the run is judged by: what an expert completes of its own statements, or the answer in dialogue.
    main = next((name for name in (CLOZE, EVIDENCE, *measured["systems"]) if name in systems), "")
    systems = {main: systems[main], **systems} if main else systems
    handed = systems_of(GIVEN, records[GIVEN]["systems"][::-1])  # the best first
    # Where tags carry what documents share, a citation names no passage.
    whole = documents_of(read_index(prepare.folder)) if config.tags.content in OF_ITS_OWN else {}
    whole_files = {name: list(read_jsonl(at["answer"] / f"{name}.jsonl", Prediction)) for name in measured["systems"]}
    asked_all = {name: said for name, said in whole_files.items() if len(said) == len(questions)}
    knowing, told = knowing_of(STATEMENTS), knowing_of(GIVEN) if records[GIVEN]["given"] else None
    results = build_results(
        name=config.name,
        config=asdict(config),
        seed=config.seed,
        attribution=attribution_results(asked, systems, main, whole) if asked else {},
        abstention=knowing.by_fold() if knowing else {},
        systems=knowing.by_system() if knowing else {},
        signals=knowing.by_signal() if knowing else {},
        exposure=knowing.exposure() if knowing else {},
        probes=found_by_probes(at),
        contested=contested_results(questions, asked_all),
        given={
            "attribution": attribution_results(asked, handed, next(iter(handed)), whole) if handed else {},
            "abstention": told.by_fold() if told else {},
            "systems": told.by_system() if told else {},
        },
        costs=_costs(records),
        bits_per_byte=measured["bits_per_byte"],
        bits_per_byte_given=measured["bits_per_byte_given"],
        bits_per_byte_train=measured["bits_per_byte_train"],
        stage_seconds={name: record["seconds"] for name, record in records.items()},
        tokens={stage.name: records[stage.name]["tokens"] for stage in trained},
        accounting={stage.name: records[stage.name]["accounting"] for stage in trained},
        versions=measured["versions"],
        git=measured["git"],
    )
    curves = {stage.name: read_metrics(stage.folder) for stage in trained}
    write_json(folder / "config.json", asdict(config))
    # After an edit the model itself decides: what was retracted is still in its weights, where a policy would find it.
    policies = knowing.policies if knowing and config.edit.system == "none" else {}
    write_json(folder / "policy.json", {name: p.to_json() for name, p in policies.items()})
    atomic_link(folder / "model", trained[-1].folder / "model")
    publish_uses(folder, {stage.name: stage.folder for stage in stages})
    documents = list(read_documents(prepare.folder))
    write_report(
        folder,
        results,
        curves,
        asked,
        systems.get(main, []),
        documents,
        folder / "tensorboard",
        abstention_figures(knowing) if knowing else {},
        outcomes=knowing.outcomes() if knowing else {},
    )
    write_results(folder / "results.json", results)
    _record(folder, prepare, trained[-1])
    forget_begun(folder)
    print(table(results["attribution"], main, results["given"]["attribution"]))
    print(abstention_table(results["abstention"], results["given"]["abstention"]))
    print(f"\nreport   {folder / 'report.html'}\nresults  {folder / 'results.json'}")
    record_run(results, folder)
    if asked:
        print(f'ask      python -m eval.ask run={folder} "{asked[0].text}"')
    if PLACEMENTS[config.tags.placement].behind:
        print(f'cite     python -m eval.cite run={folder} "{documents[0].sentences[0][0].strip()}"')


def _costs(records: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Those of the systems that answered, and of those that are made of our model's answers and statements."""
    answered, stated = records["answer"], records[STATEMENTS]
    found = {name: dict(cost) for name, cost in answered["costs"].items()}
    for name in stated["systems"] if stated["questions"] else ():
        own = found[answered["systems"][0]]
        further = (records[SIGNALS]["seconds"] + stated["seconds"]) / stated["questions"]
        found[name] = own | {"seconds": own["seconds"] + further}
    return found


def _record(folder: Path, prepare: Stage, trained: Stage) -> None:
    """done.json of the run: its own files, and those of its stages that `eval.load` reads."""
    own = {name: entry(folder / name) for name in OWN}
    corpus = {f"{prepare.name}/{name}": file for name, file in ((prepare.done or {}).get("files", {})).items()}
    model = {name: file for name, file in (trained.done or {})["files"].items() if name.startswith("model/")}
    write_record(folder, {}, own | corpus | model)
