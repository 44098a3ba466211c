"""The container's entry point: `train`.

`/opt/ml` is wherever GEOCLUSTERS_OPT_ML says; machines of one job meet in
GEOCLUSTERS_SHARED. GEOCLUSTERS_TRAINER_SEED makes a run
repeatable, for tests: SageMaker's KMeans has no seed.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from local.sagemaker.trainer.errors import StoppedEarlyError, TrainingError
from local.sagemaker.trainer.train import train

_LOG = logging.getLogger("trainer")


def main() -> int:
    """Train; say why not in `/opt/ml/output/failure` and the exit code.

    On SIGTERM the model of what was read so far is written.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="[%(asctime)s %(levelname)s %(thread)d] %(message)s",
        datefmt="%m/%d/%Y %H:%M:%S",
    )
    print(f"Docker entrypoint called with argument(s): {' '.join(sys.argv[1:])}")
    print("Running default environment configuration script")
    if sys.argv[1:] != ["train"]:
        print("usage: train", file=sys.stderr)
        return 2
    opt_ml = Path(os.environ.get("GEOCLUSTERS_OPT_ML", "/opt/ml"))
    shared = Path(os.environ.get("GEOCLUSTERS_SHARED", opt_ml / "shared"))
    seed = os.environ.get("GEOCLUSTERS_TRAINER_SEED")
    rng = np.random.default_rng(int(seed) if seed else None)
    try:
        train(opt_ml, rng, stop.is_set, shared)
    except StoppedEarlyError:
        _LOG.info("stopped before the first mini-batch")
        return 0
    except TrainingError as error:
        _LOG.error("%s: %s", error.kind, error)
        _write_failure(opt_ml, f"{error.kind}: {error}")
        return error.exit_code
    except Exception as error:
        _LOG.exception("the algorithm failed")
        _write_failure(opt_ml, f"AlgorithmError: {type(error).__name__}: {error}")
        return 1
    return 0


def _write_failure(opt_ml: Path, text: str) -> None:
    with contextlib.suppress(OSError):  # the disk may be what failed
        (opt_ml / "output").mkdir(exist_ok=True)
        (opt_ml / "output/failure").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
