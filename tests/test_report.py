import re
from html.parser import HTMLParser

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data.records import Citation, Document, Prediction, Question
from eval.bm25 import BM25
from eval.floors import Oracle, Uniform
from eval.plots import breakdown_figure, loss_figure, svg
from eval.report import write_report
from eval.results import attribution_results, build_results

EVIL = "<script>alert(1)</script>"
DOCUMENTS = [
    Document("d0", (("Ann & Bo met.",), ("Ann Ramos lives in Oslo.",), ("Cy Kwan lives in Oslo.",))),
    Document("d1", ((f"Di Stone lives in {EVIL}.",), ("Ed Moss lives in Lima.",))),
]


def ask(id, text, answer, support, entity, split="never_tuned"):
    return Question(id, text, (answer,), (support,), "single", entity, split, f"city {EVIL}")


QUESTIONS = [
    ask("right", "Where does Ann Ramos live?", "Oslo", "d0", "Ann Ramos"),
    ask("source", f"Where does {EVIL} live?", "Oslo", "d0", "Cy Kwan"),
    ask("ghost", "Where does Cy Kwan live?", "Oslo", "d0", "Cy Kwan"),
    ask("wrong", "Where does Ed Moss live?", "Lima", "d1", "Ed Moss"),
    ask("broken", "Where does Di Stone live?", EVIL, "d1", "Di Stone"),
    ask("silent", "Where does Di Stone live now?", EVIL, "d1", "Di Stone"),
    ask("missing", "Who is left out?", EVIL, "d1", "Di Stone"),
    ask("tuned", "Where does Ann Ramos stay?", "Oslo", "d0", "Ann Ramos", "in_domain"),
]
PREDICTIONS = [
    Prediction("right", "answered", "Oslo", (Citation("d0", 0.875), Citation("d1", 0.1)), valid=True),
    Prediction("source", "answered", "Oslo", (Citation("d1", 0.5),), valid=True),
    Prediction("ghost", "answered", "Oslo", (Citation(EVIL, 0.5),), valid=False),
    Prediction("wrong", "answered", EVIL, (Citation("d1", 0.5),), valid=True),
    Prediction("broken", "unparseable"),
    Prediction("silent", "abstained"),
    Prediction("tuned", "answered", "Oslo", (Citation("d0"),), valid=True),
]
CURVES = {
    "pretrain": [{"step": i, "tokens": 10 * i, "loss": 3 / i, "loss_text": 2 / i} for i in range(1, 9)],
    "tune": [{"step": i, "loss": 1 / i, "lr": 0.1} for i in range(1, 9)],
}


def make_results(**changes):
    systems = {"whence": PREDICTIONS}
    for other in (Uniform(["d0", "d1"]), BM25(DOCUMENTS), Oracle()):
        systems[other.name] = other.answer(QUESTIONS)
    fixed = {
        "name": f"run {EVIL}", "config": {"tags": {"name": f"end {EVIL}"}}, "seed": 4, "bits_per_byte": 1.2345,
        "attribution": attribution_results(QUESTIONS, systems), "stage_seconds": {"pretrain": 12.0},
        "tokens": {"pretrain": 80}, "accounting": {}, "versions": {"torch": EVIL}, "git": None,
    }  # fmt: skip
    return build_results(**fixed | changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write_report(folder, make_results(), CURVES, QUESTIONS, PREDICTIONS, DOCUMENTS, folder / "tensorboard")
    return folder, path.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every start tag with its attributes, and whether tags are closed in order."""

    VOID = ("meta", "br", "hr", "img", "link")

    def __init__(self, page):
        super().__init__()
        self.seen, self.open, self.misnested = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)


def test_page_is_well_formed_and_loads_nothing(written):
    page = Tags(written[1])
    assert page.misnested == [] == page.open
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.seen}
    for _, attributes in page.seen:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith("#")
    assert set(re.findall(r"url\((.)", written[1])) <= {"#"}
    assert "@import" not in written[1]


def test_text_from_outside_is_escaped(written):
    assert "<script" not in written[1]
    assert written[1].count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 8


def test_headline_says_the_joint_score_in_words(written):
    text = re.sub(r"<[^>]+>", "", written[1])
    assert re.search(
        r"Of 7 questions about documents never used in tuning, 14\.3% \(0\.0 to \d+\.\d\) got the exact", text
    )
    assert "1.234 bits per byte" in text or "1.235 bits per byte" in text
    assert "A single run" in text


def test_every_kind_of_example_is_shown_with_its_documents(written):
    parts = re.split(r"<h3>", written[1].split("<h2>Training")[0])[1:]
    kinds = {part.split(" <span")[0]: part for part in parts}
    counts = {kind: int(re.search(r"\((\d+)\)", part).group(1)) for kind, part in kinds.items()}
    assert counts == {
        "Right answer, right source": 1,
        "Right answer, wrong source": 2,
        "Wrong answer": 1,
        "No answer, though a document has it": 1,
        "Unparseable": 1,
    }
    right = kinds["Right answer, right source"]
    assert "citing d0 with probability 0.88" in right
    assert "Ann &amp; Bo met. <mark>Ann Ramos lives in Oslo.</mark> Cy Kwan lives in Oslo." in right
    assert "Says so:" not in right
    wrong_source = kinds["Right answer, wrong source"]
    assert "Cited: d1" in wrong_source and "There is no such document in the corpus." in wrong_source
    assert wrong_source.count("Says so: d0") == 2
    assert "<mark>Cy Kwan lives in Oslo.</mark>" in wrong_source
    assert "Says so: d1" in kinds["Unparseable"]


def test_splits_are_apart_and_systems_side_by_side(written):
    tuned, other = written[1].index("Documents never used in tuning"), written[1].index("Documents used in tuning")
    assert tuned < other
    for table in (written[1][tuned:other], written[1][other:]):
        for system in ("whence", "uniform", "BM25", "oracle"):
            assert f"<td>{system}</td>" in table


def test_tensorboard_gets_the_same_figures_and_numbers(written):
    events = EventAccumulator(str(written[0] / "tensorboard"))
    events.Reload()
    assert events.Scalars("never_tuned/joint")[0].value == pytest.approx(1 / 7)
    assert events.Scalars("bits_per_byte")[0].value == pytest.approx(1.2345)
    figures = written[1].count("<svg")
    assert len(events.Tags()["images"]) == figures == 7  # three a split, and the losses


def test_page_without_curves_or_questions_says_so(tmp_path):
    path = write_report(tmp_path, make_results(attribution={}), {}, [], [], [])
    page = path.read_text(encoding="utf-8")
    assert "No questions about documents never used in tuning were asked." in page
    assert "<svg" not in page
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_report_is_the_same_every_time(written, tmp_path):
    path = write_report(tmp_path, make_results(), CURVES, QUESTIONS, PREDICTIONS, DOCUMENTS)
    assert path.read_text(encoding="utf-8") == written[1]


def test_loss_curves_by_stage_and_part():
    pretrain, tune = loss_figure(CURVES).axes
    assert [line.get_label() for line in pretrain.lines] == ["all", "text"]
    assert list(pretrain.lines[0].get_xdata()) == [10 * i for i in range(1, 9)]
    assert pretrain.get_xlabel() == "tokens seen"
    assert tune.get_xlabel() == "step"


def test_bars_show_values_and_intervals_and_leave_out_what_is_undefined():
    rows = {
        "city": {"n": 4, "joint": 0.25, "intervals": {"joint": [0.1, 0.5]}},
        "height": {"n": 9, "joint": None, "intervals": {"joint": None}},
        "never said": {"n": 0, "joint": None, "intervals": {"joint": None}},
    }
    (axes,) = breakdown_figure({"by_attribute": rows}, "by_attribute", "title").axes
    assert [bar.get_width() for bar in axes.patches] == [25.0]
    assert list(axes.lines[0].get_xdata()) == [10.0, 50.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["city (n = 4)"]


def test_svg_ids_differ_between_figures_of_a_page():
    figures = [svg(loss_figure(CURVES), salt) for salt in ("a", "b")]
    ids = [set(re.findall(r'clipPath id="([^"]+)"', figure)) for figure in figures]
    assert ids[0] and ids[0].isdisjoint(ids[1])
