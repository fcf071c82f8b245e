"""What the report is built of: the page and its style sheet, tables, and numbers with their bounds.

Functions return HTML. Whatever they take as text is escaped here; what they take as HTML says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from eval.metrics.rule_of_three import bounds

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; overflow-wrap: anywhere;
  background: #fff; color: #1f2933; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p { margin: .5rem 0; }
.muted { color: #5f6c7b; font-size: .875rem; font-weight: 400; }
.headline { font-size: 1.1rem; border-left: 4px solid #2b6cb0; padding: .25rem 0 .25rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .8125rem; width: 100%; }
th, td { text-align: right; padding: .4rem .35rem; border-bottom: 1px solid #e3e7ec; white-space: nowrap;
  font-variant-numeric: tabular-nums; vertical-align: top; }
thead th { white-space: normal; overflow-wrap: normal; vertical-align: bottom; }
thead th, .group th { color: #5f6c7b; font-weight: 600; }
.group th { padding-top: .9rem; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
td.explained { white-space: normal; min-width: 11rem; }
.narrow { width: auto; }
.narrow th, .narrow td { padding-right: 1.25rem; }
.narrow td:first-child { white-space: normal; min-width: 7rem; }
.ours td, .ours td:first-child { font-weight: 600; background: #f1f6fc; }
.interval { display: block; color: #5f6c7b; font-weight: 400; font-size: .6875rem; }
dl { font-size: .875rem; display: grid; grid-template-columns: fit-content(40%) 1fr; gap: .1rem .75rem; }
dt { color: #5f6c7b; }
dd { margin: 0; }
.figures { display: grid; gap: .5rem 2rem; margin: .75rem 0; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
svg { width: 100%; max-width: 38rem; height: auto; display: block; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif !important; }
.example { border: 1px solid #e3e7ec; border-radius: 8px; padding: .75rem 1rem; margin: .75rem 0; }
.example > p { margin: .1rem 0; }
.sides { display: grid; gap: .75rem; margin-top: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr)); }
.document { background: #f7f9fb; border-radius: 6px; padding: .6rem .8rem; font-size: .875rem; }
.document h4 { margin: 0 0 .25rem; font-size: .8rem; color: #5f6c7b; font-weight: 600; }
mark { background: #fdeeb5; color: inherit; border-radius: 2px; padding: 0 .1em; }
.config td { white-space: normal; text-align: left; }
details { margin: .25rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
"""
ACRONYMS = {"bm25", "ece", "auroc", "augrc", "aurc"}


def page(title: str, body: Iterable[str]) -> str:
    """A whole document that loads nothing; `body` is HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Iterable[str], kind: str = "") -> str:
    """Scrolls sideways by itself where it is wider than the page.

    Args:
        head: names of the columns; none for a table without.
        rows: HTML, from `row`.
        kind: class of the table.
    """
    heads = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if head else ""
    of_kind = f' class="{kind}"' if kind else ""
    return f'<div class="scroll"><table{of_kind}>{heads}<tbody>{"".join(rows)}</tbody></table></div>'


def row(name: str, cells: Iterable[str], meaning: str = "") -> str:
    """A row of a table: its name, with what it means below, and its cells (HTML)."""
    first = f"<td>{escape(name)}</td>"
    if meaning:
        first = f'<td class="explained">{escape(name)}<span class="interval">{escape(meaning)}</span></td>'
    return f"<tr>{first}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def figures(drawn: Iterable[str]) -> str:
    """Figures (HTML) side by side where there is room."""
    return f'<div class="figures">{"".join(drawn)}</div>'


def details(summary: str, count: int | None, body: Iterable[str]) -> str:
    """Folded away until asked for; `body` is HTML."""
    number = "" if count is None else f' <span class="muted">({count:,})</span>'
    return f"<details><summary>{escape(summary)}{number}</summary>{''.join(body)}</details>"


def definitions(items: Iterable[tuple[str, str]]) -> str:
    """A list of names and what they mean."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(what)}</dd>" for name, what in items) + "</dl>"


def share(value: float | None, interval: Sequence[float] | None, n: int | None = None) -> str:
    """A share in percent over its bounds; n as in `eval.metrics.rule_of_three.bounds`."""
    return _over(value, interval, n, 100, 1)


def number(value: float | None, interval: Sequence[float] | None, n: int | None = None) -> str:
    """A number over its bounds; n as in `eval.metrics.rule_of_three.bounds`."""
    return _over(value, interval, n, 1, 3)


def _over(value: float | None, interval: Sequence[float] | None, n: int | None, scale: float, digits: int) -> str:
    if value is None:
        return "-"
    found = bounds(value, interval, n)
    low_high = [f"{scale * bound:.{digits}f}" for bound in found or ()]
    below = f'<span class="interval">{" to ".join(low_high)}</span>' if found else ""
    return f"{scale * value:.{digits}f}{below}"


def words(name: str) -> str:
    """A name from a record as words."""
    return " ".join(word.upper() if word in ACRONYMS else word for word in name.split("_"))
