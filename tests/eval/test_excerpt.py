"""A long text is shown around what matters, and never more of it."""

from hypothesis import given
from hypothesis import strategies as st

from eval.excerpt import excerpt

LONG = f"{'before ' * 200}Ada Moss was born in Oslo. {'after ' * 200}"


def test_around_what_it_is_about() -> None:
    found = excerpt(LONG, "Oslo", 60)
    assert "Ada Moss was born in Oslo." in found
    assert found.startswith("… ") and found.endswith(" …") and len(found) <= 64
    assert excerpt(LONG, "Lima", 30).startswith("before before") and excerpt("short\ntext", "x") == "short text"
    assert not excerpt(LONG, LONG.split()[-1], 60).startswith("before") and not excerpt("x" * 99, "x", 9).startswith(
        "…"
    )


@given(st.text(), st.text(), st.integers(1, 50))
def test_never_more_than_asked_for(text: str, about: str, size: int) -> None:
    found = excerpt(text, about, size)
    assert len(found) <= size + 4
    assert found.removeprefix("… ").removesuffix(" …") in " ".join(text.split())
