import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.child import LOOPBACK, Child, free_ports
from local.cloud import PROJECT
from local.errors import LocalError

SERVE = """
import socket, subprocess, sys, time
print("starting")
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open("grandchild", "w") as file:
    print(grandchild.pid, file=file)
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children = []

    def start(code: str, port: int | None = None) -> Child:
        port = port or free_ports(1)[0]
        child = Child(
            "server",
            [sys.executable, "-u", "-c", code, str(port)],
            port=port,
            cwd=tmp_path,
            env=dict(os.environ),
            logs=tmp_path,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.stop()


def test_a_child_is_ready_when_it_listens_and_ends_with_its_own_children(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    child = start(SERVE)
    child.wait_until_ready(10)
    child.check()

    child.stop()

    with pytest.raises(LocalError, match="exit status -15"):
        child.check()
    wait_for_the_end_of(int((tmp_path / "grandchild").read_text()))


def test_a_child_that_fails_says_so_with_the_end_of_its_log(
    start: Callable[..., Child],
) -> None:
    child = start("print('no disk'); raise SystemExit(3)")

    with pytest.raises(LocalError, match=r"(?s)server ended.*status 3.*no disk"):
        child.wait_until_ready(10)


def test_a_child_that_never_listens_says_so(start: Callable[..., Child]) -> None:
    child = start("import time; print('thinking'); time.sleep(60)")

    with pytest.raises(LocalError, match=r"(?s)did not answer .* within 0\.5 s"):
        child.wait_until_ready(0.5)


def test_a_port_in_use_is_refused(start: Callable[..., Child]) -> None:
    with (
        socket.create_server((LOOPBACK, 0)) as server,
        pytest.raises(LocalError, match="already in use"),
    ):
        start(SERVE, server.getsockname()[1])


def test_a_missing_interpreter_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="`make demo` installs"):
        Child(
            "server",
            [tmp_path / "no-python"],
            port=free_ports(1)[0],
            cwd=tmp_path,
            env={},
            logs=tmp_path,
        )


PARENT = """
import os, sys
from pathlib import Path
from local.child import Child
here, port = Path(sys.argv[1]), int(sys.argv[2])
command = [sys.executable, "-m", "local.lifeline", "--remove", here / "state", "serve"]
env = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), str(here)])}
child = Child("server", [*command, port], port=port, cwd=here, env=env, logs=here)
child.wait_until_ready(10)
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "state" / "logs").mkdir(parents=True)

    parent = subprocess.run(
        [sys.executable, "-c", PARENT, tmp_path, str(free_ports(1)[0])],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        check=False,
    )

    assert parent.returncode == -9
    wait_for_the_end_of(int(parent.stdout))
    wait_for_the_end_of(int((tmp_path / "grandchild").read_text()))
    wait_until(lambda: not (tmp_path / "state").exists())


def wait_for_the_end_of(pid: int) -> None:
    wait_until(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, but nobody has asked yet how


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
