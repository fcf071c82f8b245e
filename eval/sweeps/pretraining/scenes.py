"""Is the setting of a text recalled? What the probe scene_recall found.

    python -m eval.sweeps.pretraining.scenes runs/scenes

Runs that differ in the seed only are one row: whose scene a reading showed, where it stood, and whether passages were
asked for in the midst of pretraining or after it. Slots are of passages in words that documents have; false
recollection is of the score that asking brings, and of mean log-probability, which asks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.compare import Run
from eval.metrics.rule_of_three import bounds
from eval.results.results import setting
from eval.results.table import Column, Row, Value, over_seeds
from eval.sweeps.probe_table import ProbeTable
from eval.sweeps.shown import of_runs

COMMAND = of_runs(
    "pretraining.scenes",
    "Say how well runs recall the setting in which they read a text, and what they never read.",
)
PROBE = "scene_recall"
FIGURES: dict[str, tuple[str, ...]] = {  # of a column: where the probe has it
    "slots": ("read", "slots"),
    "paraphrased": ("paraphrased", "slots"),
    "behind": ("read", "behind", "slots"),
    "whole": ("read", "whole"),
    "constant": ("read", "constant"),
    "first": ("read", "first"),
    "frequent": ("read", "frequent"),
    "altered": ("altered", "asked", "false_recollection"),
    "attribute": ("unread_attribute", "asked", "false_recollection"),
    "entity": ("unread_entity", "asked", "false_recollection"),
    "altered_loss": ("altered", "loss", "false_recollection"),
    "entity_loss": ("unread_entity", "loss", "false_recollection"),
}
BITS = {"bits_per_byte": "bits/byte, held out", "bits_per_byte_train": "bits/byte, documents"}
COLUMNS = (
    Column("slots", "slots, asked", "%", 1, "higher"),
    Column("paraphrased", "in new words", "%", 1, "higher"),
    Column("behind", "slots, tag behind", "%", 1, "higher"),
    Column("whole", "whole scene, asked", "%", 1, "higher"),
    Column("constant", "slots, one answer for all", "%", 1, ""),
    Column("first", "slots of the first reading", "%", 1, ""),
    Column("frequent", "most frequent slots", "%", 1, ""),
    Column("altered", "false recollection: altered", "%", 1, "lower"),
    Column("attribute", "unknown fact", "%", 1, "lower"),
    Column("entity", "unknown person", "%", 1, "lower"),
    Column("altered_loss", "altered, by loss", "%", 1, "lower"),
    Column("entity_loss", "unknown person, by loss", "%", 1, "lower"),
    *(Column(key, title, "", 3, "lower") for key, title in BITS.items()),
)
PLACES = {"begin": "prefix", "end": "suffix", "both": "both", "footnote": "footnote"}
NOTE = (
    "Chance of a slot is 1/16, 6.3%; one answer for all is the best that knows no document. False recollection: of "
    "what was not read, the share that passes where 90% of what was read does. Mean and sample standard deviation over "
    "seeds; of a single run an interval of 95%, people resampled. No document asked about was used in tuning."
)


def _label(results: Mapping[str, Any]) -> str:
    shown = "scene of the " + setting(results, "scenes.shown")
    if shown.endswith(("shuffled", "constant")):
        shown = f"{setting(results, 'scenes.shown')} scenes"
    if setting(results, "tags.content") != "scene":
        shown = "identifier"
    if setting(results, "tags.loss") == "none":
        shown += ", never learnt"
    when = "asked after pretraining" if setting(results, "sft.tokens") else "asked in pretraining"
    place = setting(results, "tags.placement")
    return f"{PLACES.get(place, place)}, {shown}, {when}"


def _value(probed: Mapping[str, Any], path: Sequence[str]) -> Value | None:
    found: Any = probed
    for key in path:
        found = (found or {}).get(key)
    if not found or found["value"] is None:
        return None
    n = found.get("n", probed["n"][path[0]])
    interval = bounds(found["value"], found["interval"], n) if n else found["interval"]
    return Value(found["value"], tuple(interval) if interval else None, None, n)


class Table(ProbeTable):
    """Of the probe scene_recall."""

    probe, columns, note = PROBE, COLUMNS, NOTE
    title = "Where did it read this?"

    @staticmethod
    def rows(groups: Sequence[Sequence[Run]]) -> list[Row]:
        """A row for each group. Raises ValueError where no run was probed."""
        if not groups:
            raise ValueError(f"no run here was asked where it read something: was it made with eval.probes=[{PROBE}]?")
        found = []
        for group in sorted(groups, key=lambda group: bool(group[0].results["config"]["sft"]["tokens"])):
            values = {
                key: over_seeds([_value(run.results["probes"][PROBE], path) for run in group])
                for key, path in FIGURES.items()
            }
            for key in BITS:
                values[key] = over_seeds([None if (v := run.results[key]) is None else Value(v) for run in group])
            found.append(Row(_label(group[0].results), values, seeds=tuple(run.results["seed"] for run in group)))
        return found

    @staticmethod
    def headline(rows: Sequence[Row]) -> int:
        return max(range(len(rows)), key=lambda i: value.value if (value := rows[i].values["slots"]) else -1.0)


if __name__ == "__main__":
    COMMAND.run(Table.main)
