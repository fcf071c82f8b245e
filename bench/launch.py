"""Launches contenders, each a process of its own, and keeps what they print or how they failed.

Nothing heavy is imported here: a parent's memory counts in its children's peak, and its threads would disturb them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.settings import Settings

ROOT = Path(__file__).parents[1]
TAIL = 15  # lines of a failed process's stderr that are kept


@dataclass
class Launcher:
    """Starts processes one after the other.

    Attributes:
        folder: of the benchmark; compiled code is cached in it. timeout: seconds that a process may take.
        failed: by name, the end of the stderr of what failed.
    """

    folder: Path
    timeout: float
    failed: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        name: str,
        module: str,
        settings: Settings,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> dict[str, Any] | None:
        """What `python -m module` prints in its last line; None when it failed, which is then told in `failed`."""
        threads = str(settings.threads)
        everyone = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "TORCHINDUCTOR_CACHE_DIR": str((self.folder / "compiled").resolve()),
            "HF_HUB_OFFLINE": "1",
        }
        inherited = dict(os.environ) if python == sys.executable else foreign_environment()
        command = [python, "-m", module, "--settings", replace(settings, launched=time.time()).to_json()]
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=inherited | everyone | dict(environment or {}),
                capture_output=True,
                text=True,
                timeout=self.timeout,
            )
            if done.returncode == 0:
                measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
                return measured
            self.failed[name] = "\n".join(done.stderr.splitlines()[-TAIL:]) or f"exit status {done.returncode}"
        except subprocess.TimeoutExpired:
            self.failed[name] = f"took longer than {self.timeout} s"
        except (OSError, ValueError, IndexError) as error:
            self.failed[name] = f"{type(error).__name__}: {error}"
        return None


def foreign_environment() -> dict[str, str]:
    """The process's environment for another Python: PYTHONPATH names the packages of this one."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def say(text: str) -> None:
    """Progress goes to stderr; stdout is for the table."""
    print(text, file=sys.stderr, flush=True)
