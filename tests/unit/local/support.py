"""What several of these tests need."""

import os
import subprocess
import sys
from pathlib import Path

from local.runtime.function import Function

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


def function(
    *,
    name: str = "report",
    timeout_s: float = 5,
    environment: dict[str, str] | None = None,
) -> Function:
    return Function(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        version="$LATEST",
        image_uri="registry/image:1",
        command=(),
        timeout_s=timeout_s,
        memory_mb=512,
        environment=environment or {},
        credentials={"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"},
        region="eu-central-1",
    )


class FakeLauncher:
    """Starts `fake_worker` and remembers the processes."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(
        self, function: Function, runtime_api: str, log: Path
    ) -> subprocess.Popen[bytes]:
        env = {**os.environ, **function.environment_variables(runtime_api)}
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, FAKE_WORKER],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process
