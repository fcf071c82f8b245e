"""Readers: every document and question comes out as it was, or is an error or a count."""

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from data.readers.biocite import BiociteCorpus
from data.readers.corpora import FilesCorpus, WorldCorpus, open_corpus
from data.records import Document, Question, RecordError, write_jsonl
from data.world.world import build_world


def lines(path: Path, rows: list[Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return str(path)


def bio(id: str, tuned: bool, **facts: str) -> dict[str, Any]:
    pairs = [{"question": f"Where does {name.replace('_', ' ')} work?", "answer": facts[name]} for name in facts]
    said = [f"{name.replace('_', ' ')} works at {facts[name]}." for name in facts]
    return {"id": id, "facts": said, "qa": pairs, "in_domain": tuned}


# --- dispatch ---------------------------------------------------------------------------------------------------


def test_world_is_opened_with_its_ledger() -> None:
    config = WorldCorpus(documents=40)
    corpus, world = open_corpus(config), build_world(config)
    assert (corpus.documents, corpus.questions, corpus.heldout) == (world.documents, world.questions, world.heldout)
    assert list(corpus.ledger) == [fact.to_json() for fact in world.ledger]
    assert corpus.outcomes == {}


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="corpus\\.kind=wold: must be world"):
        open_corpus(WorldCorpus(kind="wold"))


# --- BioCite ----------------------------------------------------------------------------------------------------

SMALL = [
    bio("d1", True, Ann_Lee="Acme", Bob_Ray="Bolt"),
    bio("d2", True, Ann_Lee="Acme", Eve_Orr="Opal"),
    bio("d3", False, Cat_May="Cog", Bob_Ray="Bolt"),  # Bob Ray is in both halves
    bio("d4", False, Dan_Fox="Dyn", Eve_Orr="Onyx"),  # Eve Orr has two employers
    bio("d5", False, Cat_May="Cog"),
]


def test_biocite_support_is_every_document_that_says_so(tmp_path: Path) -> None:
    corpus = open_corpus(BiociteCorpus(path=lines(tmp_path / "b.jsonl", SMALL), in_domain=0.0))
    found = {q.entity: (q.split, q.support, q.answers, q.support_class, q.attribute) for q in corpus.questions}
    assert found == {
        "Ann Lee": ("tune", ("d1", "d2"), ("Acme",), "multi", "employer"),
        "Cat May": ("never_tuned", ("d3", "d5"), ("Cog",), "multi", "employer"),
        "Dan Fox": ("never_tuned", ("d4",), ("Dyn",), "single", "employer"),
    }
    assert corpus.outcomes == {
        "ambiguous_questions": 1,
        "straddling_questions": 1,
        "unknown_questions": 0,
        "tuned_entity_questions": 0,
        "heldout_questions": 0,
    }
    assert next(iter(corpus.documents)).text == "Ann Lee works at Acme. Bob Ray works at Bolt."


def test_biocite_entity_that_is_tuned_on_is_not_tested_on(tmp_path: Path) -> None:
    tuned = bio("d1", True, Ann_Lee="Acme")
    other = bio("d2", False) | {"qa": [{"question": "When was Ann Lee born?", "answer": "May 1, 1950"}]}
    odd = bio("d3", False) | {"qa": [{"question": "Is Ann Lee tall?", "answer": "yes"}]}
    path = lines(tmp_path / "b.jsonl", [tuned, other, odd])
    corpus = open_corpus(BiociteCorpus(path=path, in_domain=0.0))
    assert [q.entity for q in corpus.questions] == ["Ann Lee"]
    assert (corpus.outcomes["tuned_entity_questions"], corpus.outcomes["unknown_questions"]) == (1, 1)
    corpus = open_corpus(BiociteCorpus(path=path, in_domain=1.0))  # now nothing on her is tuned on
    assert sorted(q.split for q in corpus.questions) == ["in_domain", "never_tuned"]


def test_biocite_every_question_form_names_its_person(tmp_path: Path) -> None:
    asked = {
        "When was Ann O'Hara born?": "birth_date",
        "What university did Ann O'Hara attend?": "university",
        "Where does Ann O'Hara work?": "employer",
        "In what city does Ann O'Hara work?": "employer_city",
        "What was Ann O'Hara's major?": "major",
    }
    row = bio("d", False) | {"facts": ["F."], "qa": [{"question": text, "answer": "x"} for text in asked]}
    corpus = open_corpus(BiociteCorpus(path=lines(tmp_path / "b.jsonl", [row])))
    assert {q.text: q.attribute for q in corpus.questions} == asked
    assert {q.entity for q in corpus.questions} == {"Ann O'Hara"}


def test_biocite_in_domain_share_and_heldout(tmp_path: Path) -> None:
    names = [f"{chr(65 + n % 26)}a{'b' * (n // 26)} Lee" for n in range(100)]
    rows = [bio(f"d{n}", n % 2 == 0, **{name: "Acme"}) for n, name in enumerate(names)]
    config = BiociteCorpus(path=lines(tmp_path / "b.jsonl", rows), heldout=10)
    corpus = open_corpus(config)
    documents = list(corpus.documents)
    assert (len(documents), len(corpus.heldout), corpus.outcomes["heldout_questions"]) == (90, 10, 10)
    assert not {d.id for d in documents} & {d.id for d in corpus.heldout}
    splits = [q.split for q in corpus.questions]
    tuned = sum(int(d.id[1:]) % 2 == 0 for d in documents)
    assert splits.count("in_domain") == round(0.2 * tuned)
    assert splits.count("tune") == tuned - round(0.2 * tuned)
    assert splits.count("never_tuned") == 90 - tuned
    again = open_corpus(config)
    assert (again.questions, again.heldout) == (corpus.questions, corpus.heldout)
    assert open_corpus(replace(config, seed=1)).heldout != corpus.heldout


def test_biocite_strangers_are_people_of_held_out_documents(tmp_path: Path) -> None:
    names = [f"{chr(65 + n % 26)}a{'b' * (n // 26)} Lee" for n in range(100)]
    rows = [bio(f"d{n}", n % 2 == 0, **{name: "Acme"}) for n, name in enumerate(names)]
    path = lines(tmp_path / "b.jsonl", rows)
    corpus = open_corpus(BiociteCorpus(path=path, heldout=10, unanswerable=0.5))
    plain = open_corpus(BiociteCorpus(path=path, heldout=10))
    told = [replace(q, fold="") for q in corpus.questions if q.answers]
    assert told[0].statement == (f"{told[0].entity} works at {{answer}}.",)
    assert told == list(plain.questions)
    named = {word for document in corpus.heldout for word in [document.text.partition(" works")[0]]}
    assert {q.entity for q in corpus.questions if q.support_class == "absent_entity"} <= named
    unsaid = [q for q in corpus.questions if q.support_class == "absent_attribute"]
    tested = {q.entity for q in plain.questions if q.split == "never_tuned"}
    assert unsaid and {q.entity for q in unsaid} <= tested
    assert "employer" not in {q.attribute for q in unsaid}


def test_biocite_from_a_dataset_in_the_shape_of_the_authors(tmp_path: Path) -> None:
    card = '---\nconfigs:\n- config_name: pretrain\n  data_files: "pretrain/train.jsonl"\n---\n'
    rows = [
        {"text": " ".join(row["facts"]), "url": row["id"], "facts": row["facts"],
         "qa": [f"{pair['question']}\n{pair['answer']}" for pair in row["qa"]],
         "metadata": {"in_domain": row["in_domain"], "url": row["id"], "doc_text": ""}}
        for row in SMALL
    ]  # fmt: skip
    lines(tmp_path / "hub" / "pretrain" / "train.jsonl", rows)
    (tmp_path / "hub" / "README.md").write_text(card)
    remote = open_corpus(BiociteCorpus(dataset=str(tmp_path / "hub")))
    local = open_corpus(BiociteCorpus(path=lines(tmp_path / "b.jsonl", SMALL)))
    assert (list(remote.documents), remote.questions) == (list(local.documents), local.questions)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not JSON"),
        ([], "expected a JSON object"),
        ({"id": "d", "facts": [], "qa": []}, "in_domain"),
        ({"id": "d", "facts": "F.", "qa": [], "in_domain": True}, '"facts"'),
        ({"id": "d", "facts": [], "qa": [{"question": "Q?"}], "in_domain": True}, '"qa"'),
        ({"id": "d", "facts": [], "qa": ["Q?"], "in_domain": True}, '"qa"'),
        ({"id": "d", "facts": [], "qa": [3], "in_domain": True}, '"qa"'),
        ({"id": "d", "facts": [], "qa": [], "metadata": ["in_domain"]}, '"metadata" must be an object'),
        ({"id": "d", "facts": [], "qa": [], "metadata": "in_domain"}, '"metadata" must be an object'),
    ],
)
def test_biocite_bad_row_is_named(tmp_path: Path, row: Any, message: str) -> None:
    path = lines(tmp_path / "b.jsonl", [SMALL[0], row])
    with pytest.raises(RecordError, match=rf"b\.jsonl, line 2: .*{message}"):
        open_corpus(BiociteCorpus(path=path))


BAD_CONFIGS: list[dict[str, Any]] = [
    *({"in_domain": share} for share in (2.0, float("nan"))),
    {"heldout": 9},
    *({"unanswerable": share} for share in (-1.0, 9.0, float("nan"), float("inf"))),
]


@pytest.mark.parametrize("change", BAD_CONFIGS)
def test_biocite_bad_config_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    config = BiociteCorpus(path=lines(tmp_path / "b.jsonl", SMALL))
    with pytest.raises(ValueError, match=next(iter(change))):
        open_corpus(replace(config, **change))


# --- files ------------------------------------------------------------------------------------------------------

ROWS = [
    {"id": "a", "text": "One. Two.", "site": "S", "year": 1999},
    {"id": "b", "text": ["Three. Four.", " "], "site": None, "year": None},
    {"id": 7, "text": "", "site": "S", "year": 2001},
]


def test_jsonl_documents(tmp_path: Path) -> None:
    config = FilesCorpus(path=lines(tmp_path / "c.jsonl", ROWS), source_column="site", metadata_columns=["year"])
    corpus = open_corpus(config)
    expected = [
        Document("a", (("One.",), ("Two.",)), "S", {"year": 1999}),
        Document("b", (("Three. Four.",),), "", {}),
        Document("7", (), "S", {"year": 2001}),  # empty: for prepare to drop and count
    ]
    assert list(corpus.documents) == expected
    assert list(corpus.documents) == expected, "a corpus can be read twice"
    assert (corpus.questions, corpus.heldout) == ((), ())
    structured = OmegaConf.merge(OmegaConf.structured(FilesCorpus), {"path": config.path, "metadata_columns": ["year"]})
    typed = cast(FilesCorpus, OmegaConf.to_object(structured))
    assert [d.metadata for d in open_corpus(typed).documents] == [d.metadata for d in expected]


def test_parquet_documents(tmp_path: Path) -> None:
    day = datetime.date(2020, 2, 3)
    table = pa.table({"key": [1, 2], "body": ["One. Two.", "Three."], "day": [day, None], "tags": [["x"], []]})
    pq.write_table(table, tmp_path / "c.parquet")
    config = FilesCorpus(
        path=str(tmp_path / "c.parquet"), id_column="key", text_column="body", metadata_columns=["day", "tags"]
    )
    assert list(open_corpus(config).documents) == [
        Document("1", (("One.",), ("Two.",)), "", {"day": "2020-02-03", "tags": ["x"]}),
        Document("2", (("Three.",),), "", {"tags": []}),
    ]
    listed = pa.table({"id": ["a"], "text": [["One. Two.", "Three."]]})
    pq.write_table(listed, tmp_path / "lists.parquet")
    (document,) = open_corpus(FilesCorpus(path=str(tmp_path / "lists.parquet"))).documents
    assert document.sentences == (("One. Two.",), ("Three.",))


def test_hub_dataset_documents(tmp_path: Path) -> None:
    lines(tmp_path / "hub" / "train.jsonl", [{"id": "a", "text": "One."}, {"id": "b", "text": "Two."}])
    corpus = open_corpus(FilesCorpus(dataset=str(tmp_path / "hub")))
    assert [(d.id, d.text) for d in corpus.documents] == [("a", "One."), ("b", "Two.")]


def test_folders_and_patterns_are_read_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        lines(tmp_path / f"{name}.jsonl", [{"id": f"{name}{n}", "text": "T."} for n in range(2)])
    pq.write_table(pa.table({"id": ["d0"], "text": ["T."]}), tmp_path / "d.parquet")
    ids = [d.id for d in open_corpus(FilesCorpus(path=str(tmp_path))).documents]
    assert ids == ["a0", "a1", "b0", "b1", "c0", "c1", "d0"]
    ids = [d.id for d in open_corpus(FilesCorpus(path=str(tmp_path / "[ab].jsonl"))).documents]
    assert ids == ["a0", "a1", "b0", "b1"]
    with pytest.raises(ValueError, match=r"no file to read at corpus\.path='.*nowhere'; files read are \.jsonl, "):
        list(open_corpus(FilesCorpus(path=str(tmp_path / "nowhere"))).documents)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "b", "text": "cut', r"c\.jsonl, line 3: not JSON \(Invalid control character at: character 25\)"),
        ('["b"]', r"c\.jsonl, line 3: expected a JSON object"),
        ('{"id": "b", "body": "T."}', r"c\.jsonl, line 3: there is no column 'text'; the columns are 'id', 'body'"),
        ('{"key": "b", "text": "T."}', r"c\.jsonl, line 3: there is no column 'id'; the columns are 'key', 'text'"),
        ('{"id": null, "text": "T."}', r"line 3: column 'id' must be"),
        ('{"id": true, "text": "T."}', r"line 3: column 'id' must be"),
        ('{"id": "b", "text": 3}', r"line 3: column 'text' must be"),
        ('{"id": "b", "text": ["T.", 3]}', r"line 3: column 'text' must be"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    config = FilesCorpus(path=lines(tmp_path / "c.jsonl", ['{"id": "a", "text": "T."}', "", line]))
    with pytest.raises(ValueError, match=message):
        list(open_corpus(config).documents)


@pytest.mark.parametrize("change", [{"source_column": "site"}, {"metadata_columns": ["site"]}])
def test_missing_column_is_named_with_those_present(tmp_path: Path, change: dict[str, Any]) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["T."]}), tmp_path / "c.parquet")
    config = replace(FilesCorpus(path=str(tmp_path / "c.parquet")), **change)
    with pytest.raises(
        ValueError, match=r"c\.parquet, record 1: there is no column 'site'; the columns are 'id', 'text'"
    ):
        list(open_corpus(config).documents)


def test_heldout_is_no_support_and_does_not_depend_on_the_order(tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "text": f"Text {n}."} for n in range(30)]
    asked = [Question(f"q{n}", "?", ("x",), (f"d{n}",), "single", f"e{n}", "tune") for n in range(15)]
    write_jsonl(tmp_path / "q.jsonl", asked)
    config = FilesCorpus(path=lines(tmp_path / "c.jsonl", rows), questions=str(tmp_path / "q.jsonl"), heldout=10)
    corpus = open_corpus(config)
    held = {d.id for d in corpus.heldout}
    assert list(corpus.questions) == asked
    assert len(held) == 10
    assert not held & {d for q in asked for d in q.support}
    assert [d.id for d in corpus.documents] == [row["id"] for row in rows if row["id"] not in held]
    turned = open_corpus(replace(config, path=lines(tmp_path / "r.jsonl", rows[::-1])))
    assert {d.id for d in turned.heldout} == held
    with pytest.raises(ValueError, match="only 15 documents support no question"):
        open_corpus(replace(config, heldout=16))


def test_second_copy_of_a_heldout_id_is_not_lost(tmp_path: Path) -> None:
    config = FilesCorpus(path=lines(tmp_path / "c.jsonl", [{"id": "a", "text": f"{n}."} for n in range(2)]), heldout=1)
    corpus = open_corpus(config)
    assert [d.text for d in (*corpus.heldout, *corpus.documents)] == ["0.", "1."]


def test_several_processes_give_the_same_documents(tmp_path: Path) -> None:
    rows = [{"id": f"d{n}", "text": f"Text {n}. More of it."} for n in range(3000)]
    config = FilesCorpus(path=lines(tmp_path / "c.jsonl", rows))
    expected = list(open_corpus(config).documents)
    assert len(expected) == 3000
    assert list(open_corpus(replace(config, num_proc=2)).documents) == expected


@pytest.mark.parametrize(
    "config", [FilesCorpus(), FilesCorpus(path="a", dataset="b"), FilesCorpus(path="a", num_proc=0)]
)
def test_files_bad_config_is_refused(config: FilesCorpus) -> None:
    with pytest.raises(ValueError, match=r"corpus\."):
        open_corpus(config)
