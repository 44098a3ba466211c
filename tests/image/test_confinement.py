"""What a container of the report may do: what Lambda lets it, and no more."""

import json
from typing import Any, Final

import pytest

from geoclusters.status import State
from local.runtime.launch import IMAGE_TAG, LAMBDA_USER
from tests.image.conftest import docker
from tests.image.prepared import Prepared
from tests.integration.conftest import Pipeline

_TABLE: Final = "lat,lon\n" + "".join(f"{47 + i % 7},{8 + i % 11}\n" for i in range(77))
_MIB: Final = 2**20

#: Prints every folder that can be written to, found by trying.
#: (/proc and /sys have no files that one can make.)
_WRITABLE: Final = """
import json, os
found = []
for folder, folders, _ in os.walk("/"):
    if folder == "/":
        folders[:] = [name for name in folders if name not in ("proc", "sys")]
    path = os.path.join(folder, "probe")
    try:
        with open(path, "wb") as file:
            file.write(b"x")
        os.remove(path)
        found.append(folder)
    except OSError:
        pass
print(json.dumps(found))
"""
#: Prints every file outside of /tmp that can be changed.
_OVERWRITABLE: Final = """
import json, os
found = []
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = [n for n in folders if n not in ("proc", "sys", "dev", "tmp")]
    paths = [os.path.join(folder, name) for name in files]
    found += [path for path in paths if os.access(path, os.W_OK)]
print(json.dumps(found))
"""
_STATE: Final = """
import json, os, pathlib
status = pathlib.Path("/proc/1/status").read_text().splitlines()
status = dict(line.split(":", 1) for line in status)
limits = [
    "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
]
limits = [path for path in limits if os.path.exists(path)]
tmp = os.statvfs("/tmp")
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "groups": os.getgroups(),
    "capabilities": [
        int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")
    ],
    "no_new_privileges": int(status["NoNewPrivs"]),
    "memory": int(pathlib.Path(limits[0]).read_text()) if limits else None,
    "tmp": tmp.f_blocks * tmp.f_frsize,
    "interfaces": sorted(
        line.split(":")[0].strip()
        for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]
    ),
}))
"""


@pytest.fixture(scope="module")
def container(pipeline: Pipeline) -> str:
    """The id of the container that has just reported on a run, and waits for more."""
    version = pipeline.upload("image/confined.csv", _TABLE.encode(), k="3")
    pipeline.wait("image/confined.csv", version, State.SUCCEEDED)
    ids = docker("ps", "--quiet", "--no-trunc", "--filter", f"ancestor={IMAGE_TAG}")
    return ids.split()[0]


def inside(container: str, script: str) -> Any:
    return json.loads(docker("exec", container, "python", "-c", script))


def test_it_was_started_as_lambda_starts_it(container: str, pipeline: Pipeline) -> None:
    (found,) = json.loads(docker("inspect", container))
    host = found["HostConfig"]
    function = pipeline.cloud.client("lambda").get_function_configuration(
        FunctionName=pipeline.function_name("Report")
    )
    assert found["Config"]["User"] == LAMBDA_USER
    assert host["ReadonlyRootfs"]
    assert not host["Privileged"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert list(host["Tmpfs"]) == ["/tmp"]
    assert function["MemorySize"] == 2048
    assert host["Memory"] == function["MemorySize"] * _MIB
    # Whom to trust at the local cloud, to be read.
    assert [mount["RW"] for mount in found["Mounts"]] == [False]
    assert [mount["Type"] for mount in found["Mounts"]] == ["bind"]


def test_it_has_no_rights_and_can_gain_none(container: str) -> None:
    state = inside(container, _STATE)
    assert state["user"] == [int(number) for number in LAMBDA_USER.split(":")]
    assert 0 not in state["groups"]
    assert state["capabilities"] == [0, 0, 0, 0]
    assert state["no_new_privileges"] == 1


def test_it_can_write_to_tmp_alone(container: str) -> None:
    folders = inside(container, _WRITABLE)
    assert "/tmp" in folders
    assert all(folder == "/tmp" or folder.startswith("/tmp/") for folder in folders)
    assert inside(container, _OVERWRITABLE) == []


def test_memory_and_tmp_end_where_they_do_on_lambda(container: str) -> None:
    state = inside(container, _STATE)
    assert state["memory"] == 2048 * _MIB
    assert state["tmp"] == 512 * _MIB


def test_it_reaches_nothing_but_loopback(container: str, prepared: Prepared) -> None:
    if not prepared.loopback_only:
        pytest.skip("only an engine of one's own has no other network")
    assert inside(container, _STATE)["interfaces"] == ["lo"]


def test_it_knows_no_credentials_but_its_roles(
    container: str, pipeline: Pipeline
) -> None:
    (found,) = json.loads(docker("inspect", container))
    variables = dict(word.split("=", 1) for word in found["Config"]["Env"])
    assert variables["AWS_ACCESS_KEY_ID"] not in ("", "test")
    assert variables["AWS_SESSION_TOKEN"]
    named = {name for name in variables if name.startswith("AWS_")}
    assert not named & {"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"}
