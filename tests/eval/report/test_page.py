"""The whole report in a real browser, at the width of a laptop and of a phone: nothing is too wide, nothing fails."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from whole_page import write_whole_page

CHROMIUM = shutil.which("chromium")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-sync")
OFFLINE = ("--disable-background-networking", "--disable-component-update")
LAPTOP, PHONE = (1280, 800), (390, 844)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on PATH"),
]

# The page comes to the browser in a frame: headless windows are 500 pixels wide at least. A copy of it opens all that
# is folded away, and tells the frame around it how wide it is and how wide its contents are.
PROBE = """<script>
const measured = () => [document.documentElement.clientWidth, document.documentElement.scrollWidth];
const closed = measured();
for (const details of document.querySelectorAll("details")) details.open = true;
parent.postMessage([...closed, ...measured()].join(" "), "*");
</script></body>"""
FRAME = """<!doctype html><title>frame</title><p id="found"></p>
<script>onmessage = event => document.getElementById("found").textContent = event.data</script>
<iframe src="copy.html" style="border: 0" width="{}" height="{}"></iframe>"""

SEARCH = """<script>
const box = document.querySelectorAll(".search input")[1];
box.value = "Ann PREMISE", box.dispatchEvent(new Event("input"));
document.title = [box.hidden, ...box.closest("section").querySelectorAll("output, .example:not([hidden]) strong")].map(
  one => one.textContent ?? one).join("; ");
</script></body>"""


def browse(folder: Path, page: Path, *options: str) -> tuple[str, list[str]]:
    """What the browser writes with the options, and what went wrong in the page."""
    command = [
        str(CHROMIUM),
        *OPTIONS,
        *OFFLINE,
        f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr",
        "--v=0",
    ]
    done = subprocess.run([*command, *options, page.as_uri()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    # Without a desktop the browser complains of missing services; the page's own errors are marked CONSOLE.
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line or "SEVERE" in line]


def widths(folder: Path, html: str, size: tuple[int, int]) -> tuple[list[int], list[str]]:
    """Width of the view and of its contents, folded and unfolded, and what went wrong."""
    (folder / "copy.html").write_text(html.replace("</body>", PROBE), encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(*size), encoding="utf-8")
    dom, errors = browse(
        folder, folder / "frame.html", "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom"
    )
    found = re.search(r'<p id="found">([\d ]+)</p>', dom)
    assert found, dom
    return [int(number) for number in found[1].split()], errors


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return write_whole_page(tmp_path_factory.mktemp("page"))


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_nothing_is_wider_than_the_page(page: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    (width, folded, _, unfolded), errors = widths(tmp_path, page.read_text(encoding="utf-8"), size)
    assert width == folded == unfolded == size[0]
    assert errors == []


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_is_drawn_without_errors(page: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    picture = tmp_path / "page.png"
    window = f"--window-size={size[0]},{size[1]}"
    _, errors = browse(tmp_path, page, window, f"--screenshot={picture}")
    assert errors == []
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_search_leaves_the_examples_that_have_every_word(page: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", SEARCH), encoding="utf-8")
    dom, errors = browse(tmp_path, copy, "--virtual-time-budget=5000", "--dump-dom")
    title = re.search("<title>(.*?)</title>", dom)
    assert title and title[1] == "false; 1 of 10; Since Ann Ramos lives in Lima, where was she born?"
    assert errors == []


def test_what_is_too_wide_or_fails_is_noticed(tmp_path: Path) -> None:
    folded = '<details><p style="width: 700px">x</p></details>'
    found, errors = widths(tmp_path, f"<!doctype html><body>{folded}<script>missing()</script></body>", PHONE)
    assert found[:3] == [390, 390, 390] and found[3] >= 700
    assert len(errors) == 1 and "missing is not defined" in errors[0]
