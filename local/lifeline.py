"""Run a module as a child that can't outlive its parent.

``python -m local.lifeline [--remove DIR] MODULE ARG…`` runs MODULE as ``python -m
MODULE ARG…`` would. Standard input is a pipe whose other end only the parent holds:
when it closes, however the parent ended, the child's whole process group is killed and
DIR, the parent's temporary folder, is removed. Unlike Linux's parent-death signal this
also reaches grandchildren (Lambda workers, trainers), and it doesn't depend on which
thread of the parent started the child.
"""

import argparse
import os
import runpy
import subprocess
import sys
import threading

_LAST_WILL = 'kill -s KILL -- "-$0"; [ -z "$1" ] || rm -rf -- "$1"'


def _watch(remove: str) -> None:
    while os.read(0, 4096):
        pass
    # By a process outside the group, as it has something to do after the group's end.
    command = ["/bin/sh", "-c", _LAST_WILL, str(os.getpgrp()), remove]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


def main() -> None:
    """Watch the lifeline and run the named module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remove", default="")
    parser.add_argument("module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    threading.Thread(
        target=_watch, args=(options.remove,), name="lifeline", daemon=True
    ).start()
    sys.argv[:] = [options.module, *options.arguments]
    runpy.run_module(options.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
