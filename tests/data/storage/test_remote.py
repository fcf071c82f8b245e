"""A folder prepared elsewhere is a corpus: its shards stay where they are."""

import json
import shutil
from pathlib import Path

import fsspec
import pytest

from data.readers.corpora import open_corpus
from data.records import Question, read_jsonl
from data.storage.prepare import prepare
from data.storage.prepare_corpus import prepare_corpus
from data.storage.remote import ShardsCorpus, digest
from data.storage.shards import ShardError, read_documents, read_index, read_manifest
from data.storage.store import Cache, Store
from data.world.world import WorldCorpus

WORLD = WorldCorpus(documents=40, heldout=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(open_corpus(WORLD), folder, shard_documents=16)
    return folder


@pytest.mark.parametrize("kind", ["memory", "file", "path"])
def test_a_prepared_folder_is_adopted_without_its_shards(made: Path, tmp_path: Path, kind: str) -> None:
    url = {"memory": f"memory://{tmp_path.name}", "file": f"file://{made}", "path": str(made)}[kind]
    if kind == "memory":
        system = fsspec.filesystem("memory")
        for file in made.iterdir():
            system.pipe(f"{url}/{file.name}", file.read_bytes())
    folder = tmp_path / "here"
    manifest = prepare_corpus(ShardsCorpus(url=url + "/"), folder)
    assert manifest == read_manifest(folder)
    assert (manifest.root, manifest.fingerprint) == (url, read_manifest(made).fingerprint)
    assert not list(folder.glob("*.tar"))
    for name in ("questions.jsonl", "heldout.jsonl", "ledger.jsonl", "index.jsonl", "prepared.json"):
        assert (folder / name).read_bytes() == (made / name).read_bytes()
    expected = list(read_documents(made))
    assert list(read_documents(folder)) == expected
    assert [document.id for document in read_index(folder)] == [document.id for document in expected]
    store = Store(folder, manifest, Cache(tmp_path / "cache", 1))
    assert [document for index in range(3) for document in store.read(index)] == expected


def test_what_lies_there_decides_the_digest(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    assert digest(ShardsCorpus(url=str(copy))) == digest(ShardsCorpus(url=f"file://{made}"))
    questions = list(read_jsonl(copy / "questions.jsonl", Question))
    (copy / "questions.jsonl").write_text("".join(json.dumps(q.to_json()) + "\n" for q in questions[1:]))
    assert digest(ShardsCorpus(url=str(copy))) != digest(ShardsCorpus(url=str(made)))


def test_what_does_not_belong_together_is_refused(made: Path, tmp_path: Path) -> None:
    def broken(name: str) -> Path:
        shutil.copytree(made, tmp_path / name)
        return tmp_path / name

    with pytest.raises(ValueError, match=r"corpus\.url='': must be not empty"):
        prepare_corpus(ShardsCorpus(), tmp_path / "a")
    with pytest.raises(ShardError, match=r"nowhere/manifest\.json: no such file"):
        prepare_corpus(ShardsCorpus(url=f"{tmp_path}/nowhere"), tmp_path / "b")
    folder = broken("index")
    (folder / "index.jsonl").write_text((folder / "index.jsonl").read_text().replace('"d', '"e'))
    (folder / "index.jsonl").open("a").write("\n")
    with pytest.raises(ShardError, match=r"index\.jsonl: sha256"):
        prepare_corpus(ShardsCorpus(url=str(folder)), tmp_path / "c")
    folder = broken("question")
    asked = Question("q", "Who?", ("Ann",), ("unheard-of",), "single", "e", "tune")
    (folder / "questions.jsonl").write_text(json.dumps(asked.to_json()))
    with pytest.raises(ValueError, match="question 'q' names document 'unheard-of', which is not in the corpus"):
        prepare_corpus(ShardsCorpus(url=str(folder)), tmp_path / "d")
