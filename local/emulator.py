"""Start ministack with our bends: ``python -m local.emulator --port N …``.

Runs in ministack's own environment. What else ministack is to know, it reads from the
environment variables that `local.cloud` sets.
"""

import argparse
import os
import sys


def main() -> None:
    """Bend ministack and run it until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runtime-port", type=int, required=True)
    arguments = parser.parse_args()
    del sys.argv[1:]  # ministack parses them too
    os.environ["GATEWAY_PORT"] = str(arguments.port)

    from local import bends  # importing it imports ministack, which reads its settings

    bends.apply(arguments.runtime_port)
    bends.main()


if __name__ == "__main__":
    main()
