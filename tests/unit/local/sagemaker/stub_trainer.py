"""A trainer for tests of the stand-in alone; hyperparameter `act` says what it does.

Stands in for the trainer's interpreter, so it takes whatever arguments that would get.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

ML = Path(os.environ["GEOCLUSTERS_OPT_ML"])


def _write_model() -> None:
    (ML / "model/model_algo-1").write_text("model")
    (ML / "model/state_0a1b").write_text("state")


def _finish(number: int, frame: FrameType | None) -> None:
    _write_model()
    sys.exit(0)


def main() -> int:
    """Do what the hyperparameters ask for."""
    act = json.loads((ML / "input/config/hyperparameters.json").read_text())["act"]
    print(f"acting: {act}", flush=True)
    if act == "write":
        print("#quality_metric: host=algo-1, train msd <loss>=0.25", flush=True)
        _write_model()
    elif act == "show":
        files = {
            str(path.relative_to(ML)): path.read_text()
            for path in sorted((ML / "input").rglob("*"))
            if path.is_file()
        }
        shown = {"files": files, "environment": dict(os.environ), "argv": sys.argv}
        (ML / "model/shown.json").write_text(json.dumps(shown))
    elif act == "pipe":
        for epoch in (0, 1):
            path = ML / f"input/data/train_{epoch}"
            while not path.exists():
                time.sleep(0.01)
            (ML / f"model/{epoch}").write_bytes(path.read_bytes())
    elif act == "fail":
        (ML / "output/failure").write_text("ClientError: no good" + "!" * 2000)
        return 2
    elif act == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif act == "run":
        signal.signal(signal.SIGTERM, _finish)
        print("running", flush=True)
        time.sleep(600)
    elif act == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("running", flush=True)
        time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
