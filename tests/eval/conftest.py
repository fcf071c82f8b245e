"""What several tests of evaluation share."""

from pathlib import Path

import pytest
from foreign import save_foreign


@pytest.fixture(scope="session")
def foreign_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of transformers with a model that says tests/foreign.py's `SAID`."""
    folder = tmp_path_factory.mktemp("foreign")
    save_foreign(folder)
    return folder
