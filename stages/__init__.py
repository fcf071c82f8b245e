"""Stage directories: named by the hash of all that determines their content, so finished work is found again.

    python -m stages --help    list them, verify them, remove those that no run uses

A folder is finished when it holds `done.json`, which is written last and has the size and SHA-256 of every file that
others read (record.py). A finished folder whose files are not those is not done: it is made anew (stage.py). Which runs
use a stage is read from the links in their directories (uses.py).
"""

from data.atomic import write_json
from stages.environment import rank, revision, versions
from stages.record import file_digest
from stages.stage import Stage, announced

__all__ = ["Stage", "announced", "file_digest", "rank", "revision", "versions", "write_json"]
