"""What many tests share: a tiny corpus, its tokenizer, and models whose every weight is random."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import settings
from telling import Answering, Telling, chained

from data.pipeline.identifiers import IdsConfig, assign
from data.pipeline.tokenizer import Tokenizer, TokenizerConfig, build_tokenizer
from data.records import Document
from eval.answerers.lm_answerer import LMAnswerer
from model.config import ModelConfig
from model.transformer import Transformer

torch.set_num_threads(1)  # a worker has one core
settings.register_profile("whence", deadline=None)  # the machine may be busy
settings.load_profile("whence")

LONGEST = ("experiments", "run", "self_correction", "settings", "golden_losses", "bench", "kill", "stopping")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that at the end no worker waits for another one's."""
    begun = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: begun.get(item.path.name, len(begun)))


NAMES = ("Ada Moss", "Ben Lark", "Cleo Finch", "Dov Reed", "Eda Thorn", "Finn Vale", "Gus Hale", "Ida Brook")
PLACES = ("Oslo", "Lima", "Cairo", "Quito", "Turin", "Perth", "Accra")


def tell(number: int) -> Document:
    """A document of one to four sentences, each in two wordings."""
    name, place = NAMES[number % len(NAMES)], PLACES[number % len(PLACES)]
    told = (
        (f"{name} was born in {place}.", f"{place} is where {name} was born."),
        (f"{name} studied law for {number} years.", f"Law was what {name} studied, {number} years long."),
        (f"The employer of {name} is in {place}.", f"{name} works for someone in {place}."),
        (f"{name} moved to {place} in {1900 + number}.", f"In {1900 + number} {name} moved to {place}."),
    )
    metadata = {"url": f"https://x.org/{number}", "date": f"2024-01-{1 + number % 28:02}"}
    return Document(f"doc-{number}", told[: 1 + number % 4], f"The {place} Post", metadata)


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    return [tell(number) for number in range(40)]


@pytest.fixture(scope="session")
def tokenizer(documents: list[Document]) -> Tokenizer:
    return build_tokenizer(TokenizerConfig(vocab_size=640), [document.text for document in documents])


def random_model(seed: int = 0, **shape: object) -> Transformer:
    """In float32, for evaluation. A fresh model's blocks are the identity, so here every weight is drawn anew."""
    sizes: dict = {"dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "ffn_dim": 48, "vocab_size": 640}
    model = Transformer(ModelConfig(**(sizes | shape)))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            centre = 1.0 if parameter.ndim < 2 else 0.0
            parameter.copy_(centre + 0.25 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="session")
def make_model() -> Callable[..., Transformer]:
    return random_model


@pytest.fixture(scope="session")
def answering(tokenizer: Tokenizer, documents: list[Document]) -> Answering:
    """A model as an answerer that names five sources."""
    identifiers = assign(documents, tokenizer, IdsConfig())
    return lambda model: LMAnswerer(model, tokenizer, identifiers, most=5)


@pytest.fixture(scope="session")
def telling(tokenizer: Tokenizer, answering: Answering) -> Telling:
    """An answerer whose next token depends on the last one only."""
    return lambda chances: answering(chained(random_model(dim=640, layers=1, tied=False), tokenizer, chances))
