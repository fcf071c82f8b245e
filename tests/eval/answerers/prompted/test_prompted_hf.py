import json
import math
import sys

import pytest
import torch
from foreign import ASKED, DOCUMENTS, SAID, SHOTS

from data.records import Citation
from eval.answerers.prompted.answerer import Prompted, Written
from eval.answerers.prompted.hf import HFModel, HFRanker

IDS = [document.id for document in DOCUMENTS]
TEXTS = [question.text for question in ASKED]


@pytest.fixture(scope="module")
def model(foreign_folder):
    return HFModel(str(foreign_folder), "cpu")


def read(model, text):
    """Log-probabilities of the next token at each place of a text, read at one go: float64 (T, V)."""
    tokens = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return tokens[0].tolist(), model.model(input_ids=tokens).logits[0].double().log_softmax(-1)


def test_it_writes_what_it_learnt_and_stops_where_its_answer_ends(model):
    assert [written.text for written in model.write(SHOTS, TEXTS)] == [SAID[q.id] for q in ASKED]


def test_log_probabilities_are_those_of_reading_the_text(model):
    for question, written in zip(ASKED, model.write(SHOTS, TEXTS), strict=True):
        prompt = SHOTS.text(question.text)
        start = len(model.tokenizer(prompt)["input_ids"])
        tokens, log_probs = read(model, prompt + written.text + "\n\n")
        count = len(written.log_probs)
        wanted = [float(log_probs[start + i - 1, tokens[start + i]]) for i in range(count)]
        assert written.log_probs == pytest.approx(wanted, abs=1e-4)


def test_an_answer_is_as_sure_as_its_tokens_and_the_end_of_its_line(model):
    first = Prompted("foreign", model, SHOTS, IDS).answer(ASKED[:1])[0]
    prompt = SHOTS.text(ASKED[0].text)
    tokens, log_probs = read(model, prompt + " Firm 0\nSource:")
    start, end = (len(model.tokenizer(prompt + text)["input_ids"]) for text in ("", " Firm 0\n"))
    wanted = [float(log_probs[i - 1, tokens[i]]) for i in range(start, end)]
    assert first.signals["answer"] == pytest.approx(sum(wanted), abs=1e-4)
    assert first.signals["min_token_logprob"] == pytest.approx(min(wanted), abs=1e-4)
    assert first.confidence == pytest.approx(math.exp(sum(wanted)), abs=1e-4)


def test_free_citations_are_looked_up(model):
    said = {p.question: p for p in Prompted("foreign", model, SHOTS, IDS).answer(ASKED)}
    outcomes = {id: p.outcome for id, p in said.items()}
    assert outcomes == {
        "q0": "answered", "q1": "answered", "q2": "abstained", "q3": "answered", "q4": "no_source", "q5": "abstained",
    }  # fmt: skip
    assert [said[id].citations for id in ("q0", "q1", "q3", "q4")] == [
        (Citation("doc-0"),),
        (Citation("doc-0"),),
        (),
        (),
    ]
    assert [said[id].valid for id in ("q0", "q1", "q2", "q3", "q4")] == [True, True, None, False, False]


def test_ranked_citations_are_those_of_trying_every_document(model):
    ids = [*IDS, "d", "do", "dossier of 1931", "Firm", "Firm 0", "0", "Person 7 at work", "doc-0 at work"]
    ranker = HFRanker(model, ids)
    for question in ASKED[:4]:
        tried = {}
        for id in ids:
            context = f"{SHOTS.text(question.text)} Firm 7\nSource:"
            start = len(model.tokenizer(context)["input_ids"])
            tokens, log_probs = read(model, f"{context} {id}\n")
            tried[id] = sum(float(log_probs[i - 1, tokens[i]]) for i in range(start, len(tokens)))
        best = sorted(tried, key=tried.__getitem__, reverse=True)[:10]
        found = dict(ranker.cite(SHOTS, question.text, "Firm 7"))
        assert list(found) == best[: len(found)] and len(found) >= 8
        assert list(found.values()) == pytest.approx([tried[id] for id in found], abs=1e-3)


def test_every_answer_has_ranked_citations(model):
    said = Prompted("foreign", model, SHOTS, IDS, HFRanker(model, IDS)).answer(ASKED)
    for p in said:
        assert bool(p.citations) == (p.outcome == "answered") == (p.question not in ("q2", "q5"))
        probabilities = [c.probability for c in p.citations]
        assert probabilities == sorted(probabilities, reverse=True)
    assert said[0].citations[0].id == "doc-0"
    assert said[0].signals["citation"] == pytest.approx(math.log(said[0].citations[0].probability))


def test_questions_side_by_side_change_nothing(model):
    alone, together = (Prompted("foreign", model, SHOTS, IDS, batch=batch).answer(ASKED) for batch in (1, 6))
    for one, other in zip(alone, together, strict=True):
        assert (one.outcome, one.answer, one.citations) == (other.outcome, other.answer, other.citations)
        assert one.signals == pytest.approx(other.signals, abs=1e-4)


def test_a_folder_s_own_sampling_is_not_used(foreign_folder, tmp_path):
    for file in foreign_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    generation = json.loads((tmp_path / "generation_config.json").read_text())
    generation |= {"do_sample": True, "temperature": 50.0, "min_new_tokens": 40}
    (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    assert HFModel(str(tmp_path), "cpu").write(SHOTS, TEXTS[:1])[0].text == SAID["q0"]


def test_only_safetensors_are_read(foreign_folder, tmp_path):
    for file in foreign_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"can't be read: .*safetensors"):
        HFModel(str(tmp_path), "cpu")


def test_damaged_weights_and_a_missing_tokenizer_are_said(foreign_folder, tmp_path):
    for path in foreign_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes((foreign_folder / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"can't be read: .*header"):
        HFModel(str(tmp_path), "cpu")
    (tmp_path / "model.safetensors").write_bytes((foreign_folder / "model.safetensors").read_bytes())
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"tokenizer"):
        HFModel(str(tmp_path), "cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_said(foreign_folder, device):
    with pytest.raises(ValueError, match=f"device={device} can't be used"):
        HFModel(str(foreign_folder), device)


def test_what_cannot_be_asked_is_said(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="is no folder of a Hugging Face model"):
        HFModel(str(tmp_path))
    with pytest.raises(ValueError, match="the model reads 512: give fewer shots"):
        model.write(SHOTS, ["why? " * 600])
    with pytest.raises(ValueError, match="joins identifiers with what stands around them"):
        HFRanker(model, ["two\nlines"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match="needs transformers: pip install transformers"):
        HFModel(str(tmp_path))


def test_tokens_within_a_span():
    written = Written("ab cd\n", (2, 5, 6), (-1.0, -2.0, -4.0))
    assert written.within(0, 2) == [-1.0]
    assert written.within(1, 3) == [-1.0, -2.0]
    assert written.within(3, 6) == [-2.0, -4.0]
    assert Written("ab").within(0, 2) == []
