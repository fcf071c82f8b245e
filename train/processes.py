"""What a job of a sweep leaves to the next one in the same process: nothing of its group of processes.

Lightning starts the further processes of a job and keeps their group, and where it stands in it, to the process's end.
The next job would take that for its own, though the others have ended.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

LAUNCHED = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # as Lightning sets them


@contextmanager
def own_processes() -> Iterator[None]:
    """Let go of the group of processes at the end, where it was not there at the beginning."""
    before = {name: os.environ.get(name) for name in LAUNCHED}
    try:
        yield
    finally:
        import torch.distributed as dist

        if before["LOCAL_RANK"] is None and dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
