"""The generated world (data/world) as a corpus."""

from __future__ import annotations

from data.readers.corpus import Corpus, Reader
from data.world.world import WorldCorpus, build_world


def open_world(config: WorldCorpus) -> Corpus:
    """Generate it. Raises ValueError, naming the key, for a config that no world can meet."""
    world = build_world(config)
    return Corpus(world.documents, world.questions, world.heldout, [fact.to_json() for fact in world.ledger])


READER = Reader(WorldCorpus, open_world)
