"""`run.py` in which one rank strikes itself as the variable STRIKE says: the rank, then the fields of a `Strike`."""

import json
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from jobs import Strike, arm  # noqa: E402

from run import main  # noqa: E402

if __name__ == "__main__":
    rank, *fields = json.loads(os.environ["STRIKE"])
    if int(os.environ.get("LOCAL_RANK", "0")) == rank:
        arm(Strike(*fields))
    main()
