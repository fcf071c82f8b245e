"""Put the tables of docs/results/*.json on README and the pages of docs/: `python -m eval.tables`, or `make results`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; all between them is made from docs/results/NAME.json.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from data.atomic import atomic_file
from eval.results.table import Table, markdown, read_table

RESULTS = Path("docs") / "results"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(\n<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m eval.tables", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a page differs")
    check = parser.parse_args(arguments).check
    try:
        differing = put(Path(), write=not check)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    for page, name in differing:
        print(f"{page}: table {name} {'differs from' if check else 'made anew from'} {RESULTS / name}.json")
    if check and differing:
        print("make results puts them right", file=sys.stderr)
        sys.exit(1)


def put(root: Path, write: bool = True) -> list[tuple[Path, str]]:
    """Make every table on the pages of a checkout anew, or only look.

    Returns:
        Those that differed from their data, as page (relative to `root`) and name.

    Raises:
        ValueError: a table without its data, data that is not read, or a marker without its end.
    """
    made = {path.stem: markdown(_named(path)) for path in sorted((root / RESULTS).glob("*.json"))}
    differing: list[tuple[Path, str]] = []
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        text, found = page.read_text(encoding="utf-8"), []
        where = page.relative_to(root)
        for _, name, shown, _ in (blocks := BLOCK.findall(text)):
            if name not in made:
                raise ValueError(f"{where}: table {name} has no {RESULTS / name}.json")
            if shown != made[name]:
                found.append((where, name))
        if len(blocks) != text.count("<!-- table: "):
            raise ValueError(f"{where}: a table has no end: write <!-- end --> on the line after it")
        if found and write:
            with atomic_file(page) as file:
                file.write(BLOCK.sub(lambda block: block[1] + made[block[2]] + block[4], text))
        differing += found
    return differing


def _named(path: Path) -> Table:
    table = read_table(path)
    if table.name != path.stem:
        raise ValueError(f'{path}: "name" must be "{path.stem}" as the file is called, not "{table.name}"')
    return table


if __name__ == "__main__":
    main()
