"""README and docs/ hold together: the site builds, links lead somewhere, examples are read, measures are explained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pages import LOG, PAGES, README, ROOT, Block, anchors, blocks, links, prose, spans, tables

from data.readers.biocite import BiociteCorpus, open_biocite
from data.readers.files import FilesCorpus, open_files
from data.readers.qa import QACorpus, open_qa
from data.records import FOLDS, OUTCOMES, SPLITS, SUPPORT_CLASSES, Prediction, Question
from eval import score
from eval.answerers.prompted.prompt import FewShot
from eval.grading.attribution import EVERY
from eval.grading.citation_quality import Quality
from eval.grading.statements import statements
from eval.results.selective_metrics import METRICS as SELECTIVE
from eval.selective.selective_baselines import SYSTEMS
from eval.signals import registered
from model.attention import dense_mask

DOCS, CONFIGS = ROOT / "docs", ROOT / "configs"
CORPORA, GLOSSARY, PICTURE = DOCS / "corpora.md", DOCS / "glossary.md", DOCS / "assets" / "footnote.svg"
TABLES = {path.stem for path in (ROOT / "docs" / "results").glob("*.json")}


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    pages = [(tmp_path / f"{page.stem}.html").read_text() for page in DOCS.glob("*.md")]
    assert len(pages) >= 8
    assert not [page for page in pages if re.search(r"<(?:script|img|iframe)[^>]*src=\"?(?:https?:)?//", page)]
    assert not [page for page in pages if re.search(r"<link[^>]*href=\"?(?:https?:)?//", page)]


@pytest.mark.parametrize("page", [*PAGES, LOG], ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_index_of_the_notebook_has_every_entry():
    entries = {anchor for anchor in anchors(LOG) if re.match(r"20\d\d-", anchor)}
    assert entries == {link.removeprefix("#") for link in links(LOG) if link.startswith("#20")}


def test_a_page_stays_within_the_docs():
    """The site has nothing else: what stands in the repository is named as code."""
    assert not [(page.name, link) for page in PAGES if page != README for link in links(page) if ".." in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_row_of_a_table_has_as_many_cells_as_its_head(page):
    """A bar within code would part a cell: forges and the site do not agree on it."""
    for table in re.findall(r"(?:^\|.+\|\n)+", prose(page) + "\n", re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_readme_is_short_and_shows_what_it_has_to():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) < 250 and max(map(len, lines)) <= 200
    assert "docs/assets/footnote.svg" in links(README)
    assert [block.marker for block in blocks(README)].count("output: ask") == 1
    assert len(re.findall(r"^\|[ :|-]+\|$", prose(README), re.MULTILINE)) == 2  # the demo, and in which order to answer


def test_a_table_of_results_is_the_same_wherever_it_stands():
    in_results = tables(DOCS / "results.md")
    assert set(in_results) == TABLES
    assert tables(README) == {name: in_results[name] for name in ("demo", "formats")}


def test_the_picture_of_the_mask_is_the_mask():
    """Filled squares, by where they stand, against the rule that models are trained by."""
    text = PICTURE.read_text(encoding="utf-8")
    squares = re.findall(r'<rect( class="sees")? x="(\d+)" y="(\d+)" width="26"', text)
    xs, ys = sorted({int(x) for _, x, _ in squares}), sorted({int(y) for *_, y in squares})
    drawn = torch.zeros(len(ys), len(xs), dtype=torch.bool)
    for sees, x, y in squares:
        drawn[ys.index(int(y)), xs.index(int(x))] = bool(sees)
    span = torch.tensor([[-1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, -1]])  # a sentence and its footnote, twice
    note = torch.zeros_like(span, dtype=torch.bool)
    note[0, [5, 6, 10, 11]] = True
    assert torch.equal(drawn, dense_mask(torch.zeros_like(span), span, note)[0, 0])


def test_the_table_of_groups_has_every_option():
    rows = re.findall(r"^\| `(\w+)`(?: \(of sweeps\))? \| (.+) \|$", prose(DOCS / "method.md"), re.MULTILINE)
    said = {group: set(re.findall(r"`([\w-]+)`", options)) for group, options in rows if (CONFIGS / group).is_dir()}
    there = {
        folder.name: {file.stem for file in folder.glob("*.yaml")} for folder in CONFIGS.iterdir() if folder.is_dir()
    }
    assert said == {group: options for group, options in there.items() if options}


EXAMPLES = [block for block in blocks(CORPORA) if block.marker.startswith("corpus: ")]
NAMES = list(dict.fromkeys(block.marker.removeprefix("corpus: ").partition("/")[0] for block in EXAMPLES))


def write(blocks_: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example as the file that its marker names; those in Python are run, and write it."""
    monkeypatch.chdir(folder)
    for block in blocks_:
        file = folder / block.marker.partition(": ")[2]
        file.parent.mkdir(exist_ok=True)
        if block.language == "python":
            exec(compile(block.text, str(file), "exec"), {})
        else:
            file.write_text(block.text, encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_an_example_of_a_format_is_read_and_says_what_all_say(name, tmp_path, monkeypatch):
    write(EXAMPLES, tmp_path, monkeypatch)
    documents = list(open_files(FilesCorpus(path=str(tmp_path / name))).documents)
    assert [document.id.removesuffix(".txt") for document in documents] == ["doc-1", "doc-2"]
    assert [len(document.sentences) for document in documents] == [2, 1]
    texts = [document.text.strip() for document in documents]
    assert texts == ["Ada Moss works at Zenith. She was born in Oslo.", "Ben Hale works at Dynova."]


def test_every_kind_of_file_has_an_example():
    shown = {Path(block.marker).suffix for block in EXAMPLES}
    assert {".jsonl", ".json", ".csv", ".txt", ".parquet"} <= shown and "saved" in NAMES


def test_columns_that_are_shown_are_kept(tmp_path, monkeypatch):
    write(EXAMPLES, tmp_path, monkeypatch)
    config = FilesCorpus(path="documents.jsonl", source_column="outlet", metadata_columns=["url"])
    first = next(iter(open_files(config).documents))
    assert (first.source, first.metadata) == ("The Herald", {"url": "https://example.org/1"})


def test_examples_of_questions_and_predictions_are_read_and_scored(tmp_path, monkeypatch, capsys):
    kinds = ("corpus: ", "questions: ", "predictions: ")
    write([b for b in blocks(CORPORA) if b.marker.startswith(kinds)], tmp_path, monkeypatch)
    least, full = (
        open_files(FilesCorpus(path="documents.jsonl", questions=name)).questions
        for name in ("least.jsonl", "questions.jsonl")
    )
    assert [q.split for q in least] == ["tune", "never_tuned"]
    assert {q.fold for q in full} == set(FOLDS)
    assert [q.support_class for q in full] == ["single", "absent_attribute", "absent_entity"]
    command = next(line for block in blocks(CORPORA) for line in block.text.splitlines() if "eval.score" in line)
    score.main(*score.COMMAND.parse(command.split()[3:]))
    assert "1 answered, 1 abstained, 1 missing" in capsys.readouterr().out


def test_the_prompt_and_the_long_answer_that_are_shown_are_those_of_the_code():
    page = DOCS / "anyone.md"
    shown = [
        Question("q1", "Where does Ada Moss work?", ("Zenith",), ("doc-1",), "single", "", "tune"),
        Question("q2", "Where was Ben Hale born?", (), (), "absent_entity", "", "tune"),
    ]
    assert FewShot(tuple(shown)).text("Where does Cy Kwan work?") + "\n" in [block.text for block in blocks(page)]
    (example,) = [block for block in blocks(page) if block.marker.startswith("long: ")]
    said = Prediction.from_json(json.loads(example.text))
    assert [s.cited for s in statements(said.answer or "", ())] == [("doc-1",), ("doc-1", "doc-2")]


def test_the_example_of_biocite_is_read(tmp_path, monkeypatch):
    write([b for b in blocks(CORPORA) if b.marker.startswith("biocite: ")], tmp_path, monkeypatch)
    corpus = open_biocite(BiociteCorpus(path="biocite.jsonl", in_domain=0.0))
    assert [document.id for document in corpus.documents] == ["mos-hal", "kwa"]
    assert [(q.answers, q.split) for q in corpus.questions] == [(("Zenith",), "tune"), (("Gentra",), "never_tuned")]


@pytest.mark.parametrize("name", ["squad.json", "rows.jsonl"])
def test_an_example_of_a_question_set_is_read(name, tmp_path, monkeypatch):
    (block,) = [block for block in blocks(CORPORA) if block.marker.startswith(f"qa: {name}")]
    (tmp_path / name).write_text(block.text, encoding="utf-8")
    monkeypatch.setattr("data.readers.qa.FOLD_OF", ("test",))  # an example is too small for three folds
    keys = dict(pair.removeprefix("corpus.").split("=") for pair in block.marker.split()[2:])
    corpus = open_qa(QACorpus(path=str(tmp_path / name), tuned=0.0, withheld=0.0, **keys))
    assert [document.text for document in corpus.documents] == ["Ada Moss works at Zenith. She was born in Oslo."]
    answered, not_answered = corpus.questions
    assert answered.answers in (("Zenith",), ("Ada Moss works at Zenith.",))
    assert not_answered.support_class == "unanswerable"


def test_every_field_of_a_question_is_explained():
    assert set(Question.__slots__) <= set(spans(CORPORA))


def test_every_class_split_fold_and_outcome_is_explained():
    assert {*SUPPORT_CLASSES, *SPLITS, *FOLDS, *OUTCOMES} <= set(spans(GLOSSARY))


def test_every_measure_is_explained():
    assert {*EVERY, *SELECTIVE, *Quality._fields, "bits_per_byte"} <= set(spans(GLOSSARY))
    directions = {name: metric.better for name, metric in SELECTIVE.items()}
    rows = [line.strip("|").split(" | ") for line in prose(GLOSSARY).splitlines() if line.startswith("| `")]
    for names, *_, said in rows:
        for name in re.findall(r"`(\w+)`", names):
            if directions.get(name):
                assert said.strip(" |").startswith((directions[name], "near 0")), name


def test_every_system_and_signal_is_explained():
    """With the two that the choice among candidates makes, and the prefixes and endings of others told once."""
    ends = re.compile(r"^premise_|_[23]$")
    names = {name for name in registered() if not ends.search(name)} | {"lp_asserted", "lp_correct"}
    assert {*names, *SYSTEMS} <= set(spans(GLOSSARY))


def test_what_is_read_off_a_statement_says_so_in_the_glossary():
    rows = [line.strip("|").split(" | ") for line in prose(GLOSSARY).splitlines() if line.startswith("| `")]
    said = {name: row[-1].strip(" |") for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    for name, signal in registered().items():
        if name in said:
            assert said[name] == ("yes" if signal.statement else "no"), name
    for name, system in SYSTEMS.items():
        if system.weights and name not in registered():
            read = any(registered()[w].statement for w in system.weights if w in registered()) or name == "selected"
            assert said[name] == ("yes" if read else "no"), name
