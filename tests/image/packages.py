"""Packages of Debian and Ubuntu that the tests of the image need."""

import os
import shutil
import subprocess

from local.errors import LocalError


def can_install() -> bool:
    """Say whether this is root on Debian, Ubuntu or their like."""
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages, those that the distribution knows.

    Raises
    ------
    LocalError
        When this isn't root on such a machine, or the installation fails.
    """
    wanted = " ".join(packages)
    if not can_install():
        raise LocalError(f"Install {wanted} first: only root on Debian or Ubuntu can.")
    print(f"Installing {wanted}.", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(["apt-get", "update", "-qq"], env=env, check=True)
        names = subprocess.run(
            ["apt-cache", "pkgnames"], capture_output=True, text=True, check=True
        ).stdout.split()
        known = sorted(set(packages) & set(names))
        options = ["-qq", "--yes", "--no-install-recommends"]
        subprocess.run(
            ["apt-get", "install", *options, *known],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise LocalError(f"{wanted} could not be installed: {error}") from None
