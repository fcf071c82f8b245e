"""From the raw repeats of all contenders to medians, spreads, ratios and a table; no file is touched here."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.config import ModelConfig
from model.flops import causal_keys, flops_per_token, mfu

Raw = Mapping[str, Any]  # what one launch measured
Runs = Mapping[str, Sequence[Raw]]  # by contender, its repeats

OURS, FLOAT32, LIGHTNING, CAUSAL, TRAINER = "ours", "ours_float32", "ours_lightning", "ours_causal", "hf_trainer"
OTHERS = (TRAINER, "hf_trainer_bf16", "hf_compiled", "litgpt")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some repeats, and their lowest and highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """`ours` over `theirs`; None when one of them was not measured."""
    return None if ours is None or theirs is None else ours / theirs


def ceiling(gemm: Sequence[Raw], precision: str) -> tuple[float, str]:
    """The median over repeats of the fastest product's FLOP/s in `precision`, and which product that was."""
    best = [max(raw["rates"][precision].items(), key=lambda item: item[1]) for raw in gemm]
    rate = statistics.median_low([value for _, value in best])
    return rate, next(name for name, value in best if value == rate)


def agreement(ours: Sequence[Raw] | None, theirs: Sequence[Raw] | None) -> float | None:
    """The share of questions to which both give the same answer and the same first citation."""
    if not ours or not theirs:
        return None
    pairs = list(zip(ours[0]["ranked"], theirs[0]["ranked"], strict=True))
    return sum(a[0] == b[0] and a[1][:1] == b[1][:1] for a, b in pairs) / len(pairs)


def summarise(raws: Sequence[Raw], shape: ModelConfig, gemm: float | None, device: str) -> dict[str, Any]:
    """Speeds of one training contender.

    Args:
        gemm: FLOP/s of the ceiling in its precision. device: as CUDA names it, for the MFU; "" on a CPU.
    """
    keys = raws[0]["places"] / raws[0]["steps"] / raws[0]["batch"]  # the mean length of its rows
    speed = Spread.of([raw["places"] / raw["seconds"] for raw in raws])
    summary: dict[str, Any] = {
        "tokens_per_second": asdict(speed),
        "useful_per_second": asdict(Spread.of([raw["useful"] / raw["seconds"] for raw in raws])),
        "step_seconds": asdict(Spread.of([raw["seconds"] / raw["steps"] for raw in raws])),
        "useful_share": raws[0]["useful"] / raws[0]["places"],
        "peak_bytes": max(raw["peak_bytes"] for raw in raws),
        "start_up_cold": raws[0]["start_up"],
        "start_up_warm": statistics.median([raw["start_up"] for raw in raws[1:]]) if raws[1:] else None,
        "gemm_fraction": None if gemm is None else flops_per_token(shape, keys) * speed.median / gemm,
        "torch": raws[0]["torch"],
        "batch": raws[0]["batch"],
        "row": keys,
        "repeats": len(raws),
    }
    if device:
        summary["mfu_palm"] = mfu(shape, speed.median, keys, device)
        summary["mfu_causal"] = mfu(shape, speed.median, causal_keys(round(keys)), device)
    return summary


def headline(summaries: Mapping[str, Mapping[str, Any]], runs: Runs, failed: Sequence[str]) -> dict[str, float | None]:
    """The figures that goals are set on; None for what was not measured.

    When a contender of others failed, the best of the rest would be too easy to beat: the ratio to it is None.
    """

    def useful(name: str) -> float | None:
        return summaries[name]["useful_per_second"]["median"] if name in summaries else None

    def step(name: str) -> float | None:
        return summaries[name]["step_seconds"]["median"] if name in summaries else None

    def over(slower: float | None, faster: float | None) -> float | None:
        return None if (quotient := ratio(slower, faster)) is None else quotient - 1

    def median(name: str, key: str) -> float | None:
        return statistics.median([raw[key] for raw in runs[name]]) if runs.get(name) else None

    others = [speed for name in OTHERS if (speed := useful(name)) is not None]
    best = max(others) if others and not set(failed) & set(OTHERS) else None
    ranked = median("answer_ours", "ranked_per_second")
    compiled = [raw for name in (OURS, LIGHTNING) for raw in runs.get(name, ())]
    return {
        "hf_trainer_ratio": ratio(useful(LIGHTNING), useful(TRAINER)),
        "best_other_ratio": ratio(useful(LIGHTNING), best),
        "gemm_fraction": summaries[OURS]["gemm_fraction"] if OURS in summaries else None,
        "gemm_fraction_float32": summaries[FLOAT32]["gemm_fraction"] if FLOAT32 in summaries else None,
        "lightning_overhead": over(step(LIGHTNING), step(OURS)),
        "data_wait": median(LIGHTNING, "data_wait"),
        "footnote_overhead": over(step(OURS), step(CAUSAL)),
        "answer_ratio": ratio(ranked, median("answer_hf", "ranked_per_second")),
        "answer_ratio_alone": ratio(ranked, median("answer_hf", "alone_per_second")),
        "answer_ratio_one": ratio(median("answer_ours", "one_per_second"), median("answer_hf", "one_per_second")),
        "answer_agreement": agreement(runs.get("answer_ours"), runs.get("answer_hf")),
        "recompiles": max((raw["recompiles"] for raw in compiled), default=None),
        "graph_breaks": max((raw["graph_breaks"] for raw in compiled), default=None),
        "prepare_mb_per_second": median("corpus", "prepare_mb_per_second"),
        "prepare_tokens_per_second": median("corpus", "prepare_tokens_per_second"),
        "loader_tokens_per_second": median("corpus", "loader_tokens_per_second"),
    }


def training_table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """A markdown row for each training contender: medians, and the lowest and highest repeat."""
    on_gpu = any("mfu_palm" in summary for summary in summaries.values())
    columns = ["contender", "tokens/s", "useful tokens/s", "% of GEMM", "peak memory", "first step, cold / warm"]
    rows = [columns + (["MFU (PaLM)", "MFU (causal)"] if on_gpu else [])]
    for name, summary in summaries.items():
        cold, warm = summary["start_up_cold"], summary["start_up_warm"]
        row = [
            name if summary["repeats"] > 1 else f"{name} (single run)",
            _spread(summary["tokens_per_second"]),
            _spread(summary["useful_per_second"]),
            _percent(summary["gemm_fraction"]),
            f"{summary['peak_bytes'] / 2**20:,.0f} MiB",
            f"{cold:.1f} s / " + ("-" if warm is None else f"{warm:.1f} s"),
        ]
        rows.append(row + ([_percent(summary["mfu_palm"]), _percent(summary["mfu_causal"])] if on_gpu else []))
    return markdown(rows)


def headline_table(figures: Mapping[str, float | None]) -> str:
    """A markdown row for each headline figure."""
    return markdown([["figure", "value"]] + [[name, _figure(value)] for name, value in figures.items()])


def report(record: Mapping[str, Any]) -> str:
    """The tables of a record as results.json has it, and below them in a few lines what they hold for."""
    figures = headline_table({name: record[name] for name in record["headline"]})
    return "\n\n".join((training_table(record["training"]), figures, describe(record)))


def describe(record: Mapping[str, Any]) -> str:
    """What was measured, on which machine, of which revision, with which versions."""
    machine, gemm = record["machine"], record["gemm"].get(record["precision"])
    peak = f"; ceiling {gemm['flops'] / 1e9:,.0f} GFLOP/s ({gemm['product']})" if gemm else ""
    lines = (
        f"what      {record['model']} ({record['parameters'] / 1e6:.1f}M parameters), {record['precision']}, "
        f"{record['rows']} rows of {record['row']} places a step{peak}",
        f"machine   {machine['device']}, {record['threads']} threads of {machine['cores']} cores, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']}",
        f"revision  {record['git'] or 'no git checkout'}, {record['date']}",
        "versions  " + ", ".join(f"{name} {version}" for name, version in record["versions"].items()),
    )
    return "\n".join(lines)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _spread(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:,.0f} ({spread['low']:,.0f}–{spread['high']:,.0f})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _figure(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
