"""lm-evaluation-harness says what we say: the same questions, the same model, the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign import ASKED, DOCUMENTS, QUESTIONS
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from configs.schema import register
from data.records import PLAIN, Citation, Prediction, Question, read_jsonl, write_jsonl
from eval import answer
from eval.answerers.likelihoods import token_log_probs
from eval.answerers.lm_answerer import LMAnswerer
from eval.answerers.prompted.prompt import parse
from eval.grading.attribution import grade, summarise
from eval.load import load_run
from run import run

lm_eval = pytest.importorskip("lm_eval")
pytestmark = pytest.mark.slow

from lm_eval.api.instance import Instance  # noqa: E402

from eval.harness.__main__ import evaluate  # noqa: E402
from eval.harness.lm import WhenceLM, written  # noqa: E402
from eval.harness.task import REPORTED  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "configs"
TINY = (
    *("model=pico", "corpus.documents=40", "tokenizer.vocab_size=1024", "batch.sequences=4", "pretrain.tokens=20000"),
    *("sft.tokens=8000", "trainer.precision=32-true", "trainer.compiled=false", "eval.citations=2"),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        places = (f"run_dir={folder}/run", f"stages_dir={folder}/stages")
        return run(OmegaConf.to_object(compose("config", overrides=[*TINY, *places])))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lm(finished: Path) -> WhenceLM:
    return WhenceLM(str(finished), batch_size=3)


def request(kind: str, *arguments: object) -> Instance:
    return Instance(kind, {}, arguments, 0)


def figures(found: dict) -> dict[str, float]:
    return {name: found["results"]["whence_cited"][f"{name},none"] for name in REPORTED}


def ours(questions: list[Question], said: list[Prediction]) -> dict[str, float]:
    summary = summarise(grade(questions, said))
    return {name: summary[name] for name in REPORTED}


def test_the_harness_scores_as_eval_answer_and_eval_score_do(foreign_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_jsonl("q.jsonl", QUESTIONS)
    write_jsonl("d.jsonl", DOCUMENTS)
    files = {"questions": "q.jsonl", "documents": "d.jsonl", "shots": "2", "device": "cpu"}
    answer.main(files | {"model": str(foreign_folder)}, [])
    mine = ours(ASKED, list(read_jsonl("predictions.jsonl", Prediction)))
    found = evaluate(files | {"model": "hf", "model_args": f"pretrained={foreign_folder}"}, ["whence_cited"])
    assert figures(found) == mine == {"joint": 0.2, "answer_em": 0.8, "cited": 0.2}
    assert found["n-samples"]["whence_cited"]["original"] == 5


def test_a_run_in_dialogue_scores_as_its_own_answers_do(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So small a run knows nothing; here it says, by the text of the question, what it might have said."""
    made = load_run(finished)
    documents, questions = finished.resolve().parent / "documents.jsonl", finished / "prepare" / "questions.jsonl"
    write_jsonl(documents, [document for named in made.documents.values() for document in named])
    asked = [q for q in read_jsonl(questions, Question) if q.split == "never_tuned" and q.support_class in PLAIN]
    known = {q.text: (place, q) for place, q in enumerate(asked)}

    def said(question: Question) -> Prediction:
        place, held = known[question.text]
        cited = (Citation(held.support[0] if place % 2 else "none", 0.5),)
        outcome = ("answered", "answered", "no_source", "unparseable", "abstained")[place % 5]
        answer = {"unparseable": "nonsense", "abstained": None}.get(outcome, held.answers[0])
        return Prediction(question.id, outcome, answer, cited if outcome == "answered" else ())

    monkeypatch.setattr(LMAnswerer, "answer", lambda _, questions: list(map(said, questions)))
    mine = ours(asked, made.answerer.answer(asked))
    values = {
        "model": "whence", "model_args": f"run={finished},dialogue=true",
        "questions": str(questions), "documents": str(documents), "device": "cpu",
    }  # fmt: skip
    assert figures(evaluate(values, ["whence_cited"])) == mine
    assert 0 < mine["joint"] < mine["answer_em"] < 1


def test_what_a_run_says_is_written_so_that_it_is_read_back() -> None:
    said = [
        Prediction("q", "answered", "Oslo", (Citation("d1"), Citation("d2"))),
        *(Prediction("q", outcome, "Oslo") for outcome in ("no_source", "unparseable")),
        Prediction("q", "abstained"),
    ]
    found = [parse(written(p), frozenset({"d1", "d2"})) for p in said]
    assert [one.outcome for one in found] == [p.outcome for p in said]
    assert (found[0].answer, found[0].sources, found[1].answer) == ("Oslo", ("d1",), "Oslo")


def test_likelihoods_are_those_of_reading_the_text(lm: WhenceLM) -> None:
    pairs = [("Ada works", " at Zenith."), ("", "Ada"), ("She was born in ", "Oslo")]
    found = lm.loglikelihood([request("loglikelihood", *pair) for pair in pairs])
    for (context, continuation), (score, _) in zip(pairs, found, strict=True):
        before, whole = (lm.tokenizer.backend.encode(t).ids for t in (context.rstrip(), context + continuation))
        rows = [([lm.tokenizer.doc, *before], whole[len(before) :])]
        assert score == pytest.approx(float(token_log_probs(lm.model, rows)[0].sum()), abs=1e-4)


def test_what_it_writes_is_what_it_finds_likeliest(lm: WhenceLM) -> None:
    tokens = [lm.tokenizer.doc, *lm.tokenizer.backend.encode("The birthplace").ids]
    start = len(tokens)
    for _ in range(4):
        tokens.append(int(lm.model(torch.tensor([tokens]), torch.arange(len(tokens))[None])[0, -1].argmax()))
    assert not lm.tokenizer.reserved.intersection(tokens[start:])
    wanted = lm.tokenizer.backend.decode(tokens[start:])
    settings = {"until": [], "max_gen_toks": 4}
    assert lm.generate_until([request("generate_until", "The birthplace", settings)]) == [wanted]
    stop = wanted[2:4]
    cut = lm.generate_until([request("generate_until", "The birthplace", settings | {"until": [stop]})])
    assert cut == [wanted.split(stop)[0]]


def test_a_continuation_is_greedy_where_each_token_is_the_likeliest(lm: WhenceLM) -> None:
    first = int(lm.model(torch.tensor([[lm.tokenizer.doc]]), torch.tensor([[0]]))[0, -1].argmax())
    likeliest = lm.tokenizer.backend.decode([first])
    assert lm.tokenizer.backend.encode(likeliest).ids == [first]
    pairs = [("", likeliest), ("", likeliest + " zzz"), ("", " zzz")]
    found = lm.loglikelihood([request("loglikelihood", *pair) for pair in pairs])
    assert [greedy for _, greedy in found] == [True, False, False]


def test_a_text_longer_than_it_reads_counts_each_token_once(lm: WhenceLM) -> None:
    short, long = "Ada Moss works at Zenith.", "Ada Moss works at Zenith. " * 200
    first, second = lm.loglikelihood_rolling([request("loglikelihood_rolling", text) for text in (short, long)])
    tokens = lm.tokenizer.backend.encode(short).ids
    assert first == pytest.approx(float(token_log_probs(lm.model, [([lm.tokenizer.doc], tokens)])[0].sum()), abs=1e-4)
    assert len(lm.tokenizer.backend.encode(long).ids) > 2 * lm.longest
    longer = lm.longest
    try:
        lm.longest = 16  # windows of 15 by hand
        tokens = lm.tokenizer.backend.encode(long[:200]).ids
        texts = [lm.tokenizer.doc, *tokens]
        rows = [(texts[:1], tokens[:15])]
        rows += [(texts[i : i + 1], tokens[i : i + 15]) for i in range(15, len(tokens), 15)]
        # the last window ends with the text and has a full context
        rest = len(tokens) % 15
        if rest:
            rows[-1] = (texts[len(tokens) - 15 : len(tokens) - rest + 1], tokens[-rest:])
        wanted = sum(float(scores.sum()) for scores in token_log_probs(lm.model, rows))
        (windowed,) = lm.loglikelihood_rolling([request("loglikelihood_rolling", long[:200])])
    finally:
        lm.longest = longer
    assert windowed == pytest.approx(wanted, abs=1e-3)
    assert second < first < 0


def test_sampling_and_prompts_without_a_question_are_refused(lm: WhenceLM, finished: Path) -> None:
    with pytest.raises(ValueError, match="writes greedily"):
        lm.generate_until([request("generate_until", "A", {"do_sample": True, "max_gen_toks": 1})])
    with pytest.raises(ValueError, match="needs prompts that end in"):
        WhenceLM(str(finished), dialogue=True).generate_until([request("generate_until", "A", {})])
