"""Build the report's image and run a command beside it.

    python -m tests.image.engine COMMAND…

If a Docker engine answers, that one is used. Else, as root on Debian or Ubuntu, Docker
is installed from the distribution's packages, and an engine of our own is started whose
files are all in a temporary folder, which changes nothing of the machine's network, and
which ends with this process. COMMAND then runs where nothing but loopback is there:
neither it nor any container reaches another machine.

COMMAND finds in its environment what `Prepared` reads.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from local import deployment
from local.child import log_tail
from local.cloud import PROJECT
from local.errors import LocalError
from local.runtime.launch import build_image
from tests.image import machine, packages
from tests.image.prepared import Prepared

_STORAGE_DRIVERS: Final = ("overlay2", "vfs")
_READY_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 90.0
_WHAT_TO_DO: Final = (
    "The tests of the image need Docker, and `docker info` finds no engine. Start one; "
    "or run them as root on Debian or Ubuntu, where they install the package docker.io "
    "and start an engine of their own."
)
_CLONE_NEWNET: Final = 0x40000000
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


def main() -> int:
    """Run the command line and return the command's exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        with ExitStack() as cleanup:
            folder = Path(tempfile.mkdtemp(prefix="geoclusters-image-")).resolve()
            # An engine's layers have more files than shutil.rmtree is quick at.
            cleanup.callback(subprocess.run, ["rm", "-rf", str(folder)])
            return _run(sys.argv[1:], folder, cleanup)
    except LocalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(command: list[str], folder: Path, cleanup: ExitStack) -> int:
    env = {**os.environ, "DOCKER_BUILDKIT": "1", "TMPDIR": str(folder)}
    if answers(env):
        prepared = _prepare(env, folder)
    else:
        env |= _own_docker(folder)
        with _engine(folder, env):
            prepared = _prepare(env, folder, "--network", "host")
        _leave_the_network()
        cleanup.enter_context(_engine(folder, env))
        prepared = prepared.on_loopback_only()
    return subprocess.run(command, env=env | prepared.to_environment()).returncode


def _prepare(env: Mapping[str, str], folder: Path, *options: str) -> Prepared:
    """Do all that needs a network: base, build, and the functions' packages."""
    start = time.monotonic()
    base = machine.base_image(env, folder)
    print(f"{base} was there after {time.monotonic() - start:.0f} s.", flush=True)
    secrets = machine.secrets(folder)
    build_options = [*machine.build_options(base, secrets), *options]
    start = time.monotonic()
    build_image(PROJECT, build_options, env)
    build_s = time.monotonic() - start
    print(f"The image was built on {base} in {build_s:.0f} s.", flush=True)
    context = {"base_image": base, "pip_config_file": str(secrets["pip"])}
    if "ca" in secrets:
        context["ca_certificates_file"] = str(secrets["ca"])
    # The functions' packages are those of any other deployment.
    bundles = env.get("GEOCLUSTERS_ASSEMBLY")
    assembly = deployment.synthesise(
        folder / "cdk.out", context=context, bundles=Path(bundles) if bundles else None
    )
    return Prepared(assembly, tuple(build_options), build_s=build_s)


def answers(env: Mapping[str, str]) -> bool:
    """Say whether there is a Docker engine."""
    try:
        found = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    # Old clients exit with 0 where nothing answers.
    return found.returncode == 0 and bool(found.stdout.strip())


def _own_docker(folder: Path) -> dict[str, str]:
    """Install Docker if need be; return what has its own client find our engine."""
    if not packages.can_install():
        raise LocalError(_WHAT_TO_DO)
    if shutil.which("dockerd") is None:
        packages.install("docker.io", "docker-cli", "docker-buildx")
    daemon = shutil.which("dockerd")
    # A newer client of other origin, earlier on the PATH, may not get on with it.
    client = _beside(daemon, "docker") if daemon else None
    if client is None:
        raise LocalError("docker.io was installed, but there is no dockerd and docker.")
    programs = folder / "bin"
    programs.mkdir()
    (programs / "docker").symlink_to(client)
    return {
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_CONFIG": str(folder / "client"),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }


def _beside(program: str, name: str) -> Path | None:
    """Return a program that was installed with another one, be it in bin or sbin."""
    folder = Path(program).parent
    places = (folder / name, folder.with_name("bin") / name)
    return next((place for place in places if place.exists()), None)


@contextmanager
def _engine(folder: Path, env: Mapping[str, str]) -> Iterator[None]:
    for driver in _STORAGE_DRIVERS:
        log = folder / f"dockerd-{driver}.log"
        keeper = _start_engine(folder, driver, log)
        try:
            if _is_ready(keeper, env):
                yield
                return
        finally:
            _stop(keeper)
    raise LocalError(f"No Docker engine could be started:\n{log_tail(log)}")


def _start_engine(folder: Path, driver: str, log: Path) -> subprocess.Popen[bytes]:
    settings = folder / "daemon.json"  # not the machine's own
    settings.write_text("{}")
    command = ["dockerd", "--host", f"unix://{folder}/docker.sock"]
    command += ["--config-file", str(settings), "--pidfile", f"{folder}/docker.pid"]
    command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    command += ["--storage-driver", driver, "--bridge", "none"]
    command += ["--iptables=false", "--ip-forward=false", "--ip-masq=false"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.image.keeper", str(folder), *command],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _is_ready(keeper: subprocess.Popen[bytes], env: Mapping[str, str]) -> bool:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while keeper.poll() is None and time.monotonic() < deadline:
        if answers(env):
            return True
        time.sleep(0.2)
    return False


def _stop(keeper: subprocess.Popen[bytes]) -> None:
    keeper.terminate()
    try:
        keeper.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


def _leave_the_network() -> None:
    """Give this process, and all that it starts from now on, a loopback and no more."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
