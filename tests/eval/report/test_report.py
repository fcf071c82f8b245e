"""The page says what the results say, escapes what comes from outside, and loads nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from whole_page import (
    CURVES,
    DOCUMENTS,
    EVIL,
    FORCED,
    FREE,
    PREDICTIONS,
    QUESTIONS,
    TESTED,
    make_results,
    write_whole_page,
)

from data.records import Citation, Prediction
from eval.grading.outcomes import OUTCOMES, sort_outcomes
from eval.report.abstention import exposure
from eval.report.attribution import attribution
from eval.report.examples import browse
from eval.report.html import TEMPLATES
from eval.report.report import write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write_report(folder, make_results(), CURVES, QUESTIONS, PREDICTIONS, DOCUMENTS, folder / "tensorboard")
    return folder, path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    path = write_whole_page(folder, folder / "tensorboard")
    return folder, path.read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Every start tag with its attributes, and whether tags are closed in order."""

    VOID = ("meta", "br", "hr", "img", "link", "input")

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


def plain(html: str) -> str:
    """Its text, one space between the texts of two elements."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html))).strip()


def section(page: str, title: str) -> str:
    return page.split(f"<h2>{title}</h2>")[1].split("</section>")[0]


def rows(html: str) -> list[list[str]]:
    """The text of each cell of each row."""
    found = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    return [[plain(cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)] for row in found]


def without_script(page: str) -> str:
    """The page without the one script that it has, which is ours whatever the run says."""
    script = f"<script>\n{TEMPLATES.get_template('search.js').render()}"
    assert page.count(script) == 1
    return page.replace(script, "")


@pytest.mark.parametrize("name", ["written", "whole"])
def test_page_is_well_formed_and_loads_nothing(name, request):
    text = request.getfixturevalue(name)[1]
    page = Tags(text)
    assert page.misnested == [] == page.open
    assert not {"link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.seen}
    assert [attributes for tag, attributes in page.seen if tag == "script"] == [{}]
    for _, attributes in page.seen:
        assert not [attribute for attribute in attributes if attribute.startswith("on")]
        for attribute, value in attributes.items():
            if attribute in ("src", "href", "xlink:href", "srcset", "action"):
                assert value.startswith("#")
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert "@import" not in text


@pytest.mark.parametrize(("name", "least"), [("written", 8), ("whole", 30)])
def test_text_from_outside_is_escaped(name, least, request):
    text = without_script(request.getfixturevalue(name)[1])
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= least


def test_headline_says_the_joint_score_in_words(written):
    text = re.sub(r"<[^>]+>", "", written[1])
    assert re.search(
        r"Of 7 questions about documents on which none was tuned, 14\.3% \(0\.0 to \d+\.\d\) got the exact", text
    )
    assert "1.234 bits per byte" in text or "1.235 bits per byte" in text
    assert "A single run" in text


def test_every_kind_of_example_is_shown_with_its_documents(written):
    examples = section(written[1], "Examples: documents on which no question was tuned")
    parts = re.split(r"<h3>", examples)[1:]
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
    # The document that answers the question was cited for another answer: it is shown once, its answer marked.
    wrong = kinds["Wrong answer"]
    assert "Cited, but it says otherwise: d1" in wrong and "Says so:" not in wrong
    assert "<mark>Ed Moss lives in Lima.</mark>" in wrong


TITLE, OTHER = "Documents on which no question was tuned", "Documents on which other questions were tuned"


def test_splits_are_apart_and_systems_side_by_side(written):
    assert written[1].index(f"<h2>{TITLE}</h2>") < written[1].index(f"<h2>{OTHER}</h2>")
    for part in (section(written[1], title) for title in (TITLE, OTHER)):
        for system in ("whence", "uniform", "BM25", "oracle"):
            assert f"<td>{system}</td>" in part


def test_a_share_that_is_nothing_or_all_is_bounded_by_the_rule_of_three(written):
    table = {row[0]: row for row in rows(section(written[1], TITLE))}
    heads = table["%"]
    # Of 7 questions the oracle gets all, of which all are cited right.
    for column in ("Joint", "Answer", "Citation", "Cited"):
        assert table["oracle"][heads.index(column)] == f"100.0 {100 * (1 - 3 / 7):.1f} to 100.0"
    part = make_results()["attribution"]["never_tuned"]
    part |= {"citation": 1.0, "intervals": part["intervals"] | {"citation": [1.0, 1.0]}}
    found = {row[0]: row for row in rows(attribution(part))}
    # Three of seven answers are right: the share of these that are cited right is a share of three.
    assert found["whence"][heads.index("Citation")] == "100.0 0.0 to 100.0"


def test_metrics_of_abstention_are_shown_first_or_folded_away(whole):
    shown, folded = section(whole[1], "Does it know what it does not know?").split("<details>")
    assert "10 questions of the test fold (6 single, 1 multi, 1 absent attribute" in plain(shown)
    assert rows(shown) == [
        ["answered and withheld by", "two way", "cloze, given the statement form"],
        [
            "smooth ECE smooth calibration error of the confidence, over all questions",
            "0.125 0.075 to 0.175",
            "0.062 0.012 to 0.113",
        ],
        ["told / never told AUROC of the score, told before never told", "0.750 0.700 to 0.800", "-"],
        [
            "abstains: unknown people share abstained on, of questions on unknown people (never mentioned)",
            "0.000 0.000 to 1.000",  # 3 / 1
            "-",
        ],
    ]
    assert rows(folded) == [
        [
            "accuracy free share of told questions answered right; what is withheld is not",
            "0.500 0.450 to 0.550",
        ],
        ["undefined", "-"],
        [f"new {EVIL}", "0.375 0.325 to 0.425"],
        ["by class › single", "0.625 0.575 to 0.675"],
        ["by class › multi", "-"],
    ]


def test_systems_and_signals_are_tables(whole):
    assert rows(section(whole[1], "Beside other ways to decide")) == [
        ["", "accuracy free", "brier"],
        ["bidirectional", "0.500 0.450 to 0.550", "-"],
        [f"own {EVIL}", "-", "0.250 0.200 to 0.300"],
        ["bidirectional, given the statement form", "0.625 0.575 to 0.675", "-"],
    ]
    heads, ours, least, answer = rows(section(whole[1], "What tells it so?"))
    assert heads[0] == "signal" and heads[-1] == "difference"
    assert ours == ["bidirectional", *["0.875 0.825 to 0.925"] * 4, "-"]
    assert least == [f"least {EVIL}", "0.500 0.450 to 0.550", "-", "-", "-", "-0.375 -0.425 to -0.325 p < 0.001"]
    assert answer[-1] == "-0.250 -0.300 to -0.200 p = 0.040"


def test_exposures_are_said_and_shown(whole):
    part = section(whole[1], "Does it matter how often it was told?")
    text = plain(part)
    # d0 tells three facts and d1 three, once each; both tell the seventh: six of eight tellings.
    assert "Of 8 tellings of plain facts, 75.0%" in text
    assert "22.2% (0.0 to 50.0) of 9 questions are on what was never told" in text
    assert part.count("<svg") == 1
    table = rows(part)
    assert table[1][:2] == ["1", "6 on 4"] and table[2][:2] == ["2", "1 on 1"]
    assert table[2][2:] == ["100.0 0.0 to 100.0"] * 2 + ["0.0 0.0 to 100.0"]
    assert "errs on 100.0% (70.0 to 100.0)" in plain(exposure(always_wrong()))


def always_wrong() -> dict:
    flat = {"value": 0.5, "interval": None, "n": 10}
    return {"by_documents": [], "singletons": flat, "never_told": flat, "error": flat | {"value": 1.0}}


def test_outcomes_can_be_browsed(whole):
    part = section(whole[1], "What became of the questions")
    counts = dict(re.findall(r'<summary>([^<]+) <span class="muted">\((\d+)\)', part))
    assert list(counts) == [name for group in OUTCOMES.values() for name in group]
    assert {name: int(n) for name, n in counts.items() if n != "0"} == {
        "right, cited right": 2,
        "right, wrong source": 2,
        "wrong answer": 1,
        "withheld, would have been right": 1,
        "abstained": 1,
        "invented an answer": 1,
        "noticed": 1,
        "unparseable": 1,
    }
    opened = dict(re.findall(r"<summary>(.*?) <span.*?</summary>(.*?)</details>", part, re.DOTALL))
    assert plain(opened["went along"]) == "None."
    withheld = plain(opened["withheld, would have been right"])
    assert f"Right answer {EVIL} Model abstained (would have said {EVIL}, citing d1 with probability 0.75)" in withheld
    assert "Confidence 0.25" in withheld and "Would have cited, and it says so: d1" in withheld
    assert f"<mark>Di Stone lives in {escape(EVIL)}.</mark>" in opened["withheld, would have been right"]
    never = plain(opened["abstained"])
    assert "Class absent attribute Right answer none: no document says Model abstained (would have said Oslo" in never
    assert "Right answer none: the premise is false" in plain(opened["noticed"])
    invented = plain(opened["invented an answer"])
    assert f"Model {EVIL}, citing {EVIL} with probability 0.50" in invented
    assert "There is no such document in the corpus." in invented
    assert "Model unparseable Confidence 0.25 Says so: d1" in plain(opened["unparseable"])


def test_as_many_cases_as_fit_are_drawn_and_always_the_same():
    asked = [replace(TESTED[0], text=f"Question {i}?") for i in range(20)]
    many = sort_outcomes(asked, [FORCED[0]] * 20, [FREE[0]] * 20)
    documents = {document.id: document for document in DOCUMENTS}
    text = browse(many, documents)
    assert "(20)" in text and text.count('class="example"') == len(set(re.findall(r"Question \d+", text))) == 8
    assert text == browse(many, documents)


def test_a_source_that_was_taken_back_is_said_to_be():
    taken = Prediction("right", "no_source", "Oslo", (Citation("d0", 0.5),))
    forced = Prediction("right", "answered", "Oslo", (Citation("d0", 0.5),))
    page = plain(browse(sort_outcomes([TESTED[0]], [forced], [taken]), {d.id: d for d in DOCUMENTS}))
    assert "Model no source: Oslo Confidence none Would have cited, and it says so: d0" in page


def test_probes_are_nested_tables(whole):
    probes = section(whole[1], "Probes, by scoring alone").split("<h3>")[1:]
    assert [plain(probe.split("</h3>")[0]) for probe in probes] == [
        "Did it read this, and where?",
        "Does it take what it said itself for evidence?",
        "Does every source come before every other document?",
        f"Other {EVIL}",
    ]
    membership, evidence, dominance, other = map(rows, probes)
    assert membership[:3] == [["where", "0.938 0.887 to 0.988"], ["", "read", "altered"], ["n", "1,200", "600"]]
    assert membership[3:6] == [
        ["", "AUROC", "false recollection"],
        ["read › altered"],
        ["bidirectional", "0.500 0.450 to 0.550", "0.250 0.200 to 0.300"],
    ]
    assert ["read › unread attribute"] in membership and len(membership) == 3 + 1 + 3 * 6
    assert probes[0].count("<details>") == 1 and "<details>" not in probes[1]  # long ones are folded away
    assert evidence[2:] == [
        ["", "external", "ratio"],
        ["text"],
        ["a", "2.500 2.450 to 2.550", "0.812"],
        ["b", "2.500 2.450 to 2.550", "0.812"],
    ]
    assert dominance == [["pass", "1.000 0.900 to 1.000"], ["null", "0.100"], ["n", "30"], ["matched", "1.000"]]
    assert other == [[f"name {EVIL}", "0.500 0.450 to 0.550"], ["nothing", "-"], ["said", EVIL]]


@pytest.mark.parametrize("name", ["written", "whole"])
def test_the_contents_lead_to_every_section(name, request):
    page = request.getfixturevalue(name)[1]
    contents = page.split("<nav")[1].split("</nav>")[0]
    sections = re.findall(r'<section id="([^"]+)">\s*<h2>(.*?)</h2>', page)
    assert re.findall(r'<a href="#([^"]+)">(.*?)</a>', contents) == sections
    assert len({id for id, _ in sections}) == len(sections) == page.count("<h2>")


def test_examples_can_be_searched(whole):
    searched = [part for part in whole[1].split("</section>") if 'type="search"' in part]
    assert searched == [part for part in whole[1].split("</section>") if 'class="example"' in part]
    assert len(searched) == 2


def test_tensorboard_gets_the_same_figures_and_numbers(written):
    events = EventAccumulator(str(written[0] / "tensorboard"))
    events.Reload()
    assert events.Scalars("never_tuned/joint")[0].value == pytest.approx(1 / 7)
    assert events.Scalars("bits_per_byte")[0].value == pytest.approx(1.2345)
    figures = written[1].count("<svg")
    assert len(events.Tags()["images"]) == figures == 7  # three a split, and the losses


def test_tensorboard_gets_every_measure(whole):
    events = EventAccumulator(str(whole[0] / "tensorboard"))
    events.Reload()
    for name, value in {
        "abstention/auroc_answerable": 0.75,
        "abstention/by_class/single": 0.625,
        "systems/bidirectional/accuracy_free": 0.5,
        "signals/answer/difference": -0.25,
        "probes/membership/read/altered/bidirectional/auroc": 0.5,
        "probes/dominance/pass": 1.0,
    }.items():
        assert events.Scalars(name)[0].value == value
    assert not {"abstention/undefined", "abstention/by_class/multi", "abstention/n"} & set(events.Tags()["scalars"])
    assert len(events.Tags()["images"]) == whole[1].count("<svg") == 10


def test_sections_stand_only_where_there_is_something_to_say(written, whole):
    new = [
        "Does it know what it does not know?",
        "Beside other ways to decide",
        "What tells it so?",
        "Does it matter how often it was told?",
        "What became of the questions",
        "Probes, by scoring alone",
    ]
    assert [title for title in re.findall("<h2>(.*?)</h2>", whole[1]) if title in new] == new
    assert not [title for title in re.findall("<h2>(.*?)</h2>", written[1]) if title in new]


def test_page_without_curves_or_questions_says_so(tmp_path: Path):
    path = write_report(tmp_path, make_results(attribution={}), {}, [], [], [])
    page = path.read_text(encoding="utf-8")
    assert "No questions about documents on which none was tuned were asked." in page
    assert "<svg" not in page
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_report_is_the_same_every_time(whole, tmp_path: Path):
    assert write_whole_page(tmp_path).read_text(encoding="utf-8") == whole[1]


def test_tensorboard_of_a_run_before_is_not_shown_beside_it(tmp_path):
    for _ in range(2):
        write_report(tmp_path, make_results(), CURVES, QUESTIONS, PREDICTIONS, DOCUMENTS, tmp_path / "tensorboard")
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
