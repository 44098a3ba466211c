"""The whole cloud on one machine, as a context manager.

Three server processes on loopback: the AWS emulator (ministack), the SageMaker stand-in
and the runtime behind image functions. They end with the context, and also when this
process is killed (see `local.lifeline`).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.config
import botocore.session

from local import certificate
from local.child import LOOPBACK, Child, free_ports, log_tail
from local.errors import LocalError

PROJECT = Path(__file__).resolve().parents[1]
CLOUD_PYTHON = PROJECT / ".venv-cloud/bin/python"
REPORT_PYTHON = PROJECT / ".venv-report/bin/python"

ACCOUNT = "000000000000"
REGION = "us-east-1"

_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER")
_READY_TIMEOUT_S = 30.0
_IMAGE_BUILD_TIMEOUT_S = 1800.0


class Cloud:
    """A cloud of one's own; nothing of it is reachable from other machines.

    Parameters
    ----------
    state
        A new or empty folder for objects and logs, which stays there afterwards. By
        default a temporary one, removed at the end.
    port
        The port of the AWS endpoint; by default one that is free.
    uploading_s
        How long a training job stays in Uploading once its model is in the bucket.
    docker
        Whether image functions run in the really built image. By default the same
        handler runs as a process.
    build_options
        More options for ``docker build``, where the machine needs some.
    secure
        Whether AWS is spoken to by TLS alone and who may do what is enforced, as on
        AWS: functions and training jobs act under their roles. The keys of
        `environment` are the account's root.
    quota
        How many instances may train at a time; by default any number.
    functions_endpoint
        Where functions find this cloud, if something stands between.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        port: int | None = None,
        uploading_s: float = 0,
        docker: bool = False,
        build_options: Sequence[str] = (),
        secure: bool = True,
        quota: int | None = None,
        functions_endpoint: str | None = None,
    ) -> None:
        self._wanted_state = state
        aws_port, self._sagemaker_port, self._runtime_port = free_ports(3)
        self._port = port or aws_port
        self._uploading_s = uploading_s
        self._docker = docker
        self._build_options = build_options
        self._secure = secure
        self._quota = quota
        self._functions_endpoint = functions_endpoint
        self._children: list[Child] = []
        self._cleanup = ExitStack()

    @property
    def endpoint_url(self) -> str:
        """Where every AWS service but SageMaker answers."""
        scheme = "https" if self._secure else "http"
        return f"{scheme}://{LOOPBACK}:{self._port}"

    @property
    def sagemaker_url(self) -> str:
        """Where SageMaker's stand-in answers."""
        return f"http://{LOOPBACK}:{self._sagemaker_port}"

    @property
    def logs(self) -> Path:
        """The folder of all logs: one a process, one a worker of an image function."""
        return self.state / "logs"

    def __enter__(self) -> Self:
        with self._cleanup as cleanup:
            self.state = self._make_state()
            for name in ("home", "logs", "s3", "sagemaker", "tls", "tmp"):
                (self.state / name).mkdir()
            if self._secure:
                certificate.make(self._certificate, self._key)
            for child in self._start_children():
                cleanup.callback(child.stop)
                self._children.append(child)
            for child in self._children:
                child.wait_until_ready(self._ready_timeout_s)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._children.clear()
        self._cleanup.close()

    def check(self) -> None:
        """Raise a LocalError, with the end of its log, if a process has ended."""
        for child in self._children:
            child.check()

    def log_tails(self) -> str:
        """Return the last lines of each process's log, for messages."""
        return "\n".join(
            f"--- {child.name}\n{log_tail(child.log)}" for child in self._children
        )

    def environment(self) -> dict[str, str]:
        """Return the variables with which `aws`, `cdk` and boto3 use this cloud."""
        home = self.state / "home"
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ENDPOINT_URL_SAGEMAKER": self.sagemaker_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # The user's own profiles and endpoints stay out of it.
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self._trust(),
            "NO_PROXY": _no_proxy("NO_PROXY"),
            "no_proxy": _no_proxy("no_proxy"),
            # No image is pushed: whatever a deploy asks of Docker, /bin/true does it.
            "CDK_DOCKER": "true",
            # The CLI caches the account of a key, and ours is everybody's.
            "CDK_HOME": str(home / "cdk"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            "CDK_NOTICES": "false",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        }

    def process_environment(self) -> dict[str, str]:
        """Return this process's environment, turned to this cloud alone."""
        foreign = aws_settings()
        outer = {name: os.environ[name] for name in os.environ if name not in foreign}
        return outer | self.environment()

    def client(self, service: str) -> Any:
        """Return a boto3 client of this cloud, whatever the user has configured."""
        url = self.sagemaker_url if service == "sagemaker" else self.endpoint_url
        no_proxies = botocore.config.Config(proxies={})
        # Else AWS_CA_BUNDLE would count, which the user may have set.
        verify = str(self._certificate) if self._secure else None
        return self._session.client(
            service, endpoint_url=url, config=no_proxies, verify=verify
        )

    @cached_property
    def _session(self) -> Any:
        """A session for all clients: each would read botocore's megabytes anew."""
        nothing = (None, None, None, None)
        return boto3.Session(
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name=REGION,
            botocore_session=botocore.session.Session(
                session_vars={
                    "profile": nothing,
                    "config_file": (None, None, os.devnull, None),
                    "credentials_file": (None, None, os.devnull, None),
                }
            ),
        )

    @property
    def _certificate(self) -> Path:
        return self.state / "tls/server.crt"

    @property
    def _key(self) -> Path:
        return self.state / "tls/server.key"

    def _trust(self) -> dict[str, str]:
        """Return what has AWS's tools trust this cloud's endpoint, and no other."""
        if not self._secure:
            return {}
        # Node adds to what it trusts; boto3 and the AWS CLI then trust nothing else.
        names = ("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(names, str(self._certificate))

    @property
    def _ready_timeout_s(self) -> float:
        # With Docker, the runtime builds the image before it listens.
        return _IMAGE_BUILD_TIMEOUT_S if self._docker else _READY_TIMEOUT_S

    def _make_state(self) -> Path:
        if self._wanted_state is None:
            state = Path(tempfile.mkdtemp(prefix="geoclusters-cloud-")).resolve()
            self._cleanup.callback(shutil.rmtree, state, ignore_errors=True)
            return state
        state = self._wanted_state.resolve()
        state.mkdir(parents=True, exist_ok=True)
        if any(state.iterdir()):
            raise LocalError(
                f"{state} is not empty, and a cloud starts without a past. "
                "Name a new folder, or empty that one."
            )
        return state

    def _start_children(self) -> Iterator[Child]:
        yield self._runtime()
        yield self._sagemaker()
        yield self._emulator()

    def _runtime(self) -> Child:
        options: list[str | Path] = ["--root", PROJECT, "--logs", self.logs]
        options += ["--python", REPORT_PYTHON]
        if self._docker:
            options += ["--docker"]
        options += [f"--build-option={option}" for option in self._build_options]
        # Docker's own settings and proxies count in a build; functions see none of
        # them, as each gets an environment made for it.
        env = self.process_environment() | {"TMPDIR": str(self.state / "tmp")}
        env |= self._between()
        return self._child("local.runtime", self._runtime_port, options, env)

    def _sagemaker(self) -> Child:
        options: list[str | Path] = ["--aws-endpoint", self.endpoint_url]
        options += ["--state", self.state / "sagemaker"]
        options += ["--trainer-python", REPORT_PYTHON]
        options += ["--uploading-seconds", str(self._uploading_s)]
        if self._secure:
            options += ["--enforce"]
        if self._quota is not None:
            options += ["--quota", str(self._quota)]
        env = self._bare_environment()
        return self._child("local.sagemaker", self._sagemaker_port, options, env)

    def _emulator(self) -> Child:
        options: list[str | Path] = ["--runtime-port", str(self._runtime_port)]
        env = self._bare_environment() | {
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # In memory an object takes almost twice its size.
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.state / "s3"),
        }
        env |= self._between()
        if self._secure:
            env |= {
                "AUTH": "true",
                "USE_SSL": "1",
                "MINISTACK_SSL_CERT": str(self._certificate),
                "MINISTACK_SSL_KEY": str(self._key),
            }
        # It would wait for connections that its clients keep open and don't use.
        return self._child("local.emulator", self._port, options, env, patience_s=0.5)

    def _between(self) -> dict[str, str]:
        """Return what leads functions through what stands before this cloud."""
        url = self._functions_endpoint
        return dict.fromkeys(_ENDPOINTS, url) if url else {}

    @property
    def processes(self) -> dict[str, int]:
        """The process groups of this cloud, by name."""
        return {child.name: child.pid for child in self._children}

    def _child(
        self,
        module: str,
        port: int,
        options: list[str | Path],
        env: Mapping[str, str],
        *,
        patience_s: float = 5,
    ) -> Child:
        command: list[str | Path] = [CLOUD_PYTHON, "-m", "local.lifeline"]
        if self._wanted_state is None:
            command += ["--remove", self.state]
        command += [module, "--port", str(port)]
        return Child(
            module.removeprefix("local."),
            [*command, *options],
            port=port,
            cwd=PROJECT,
            env=env,
            logs=self.logs,
            patience_s=patience_s,
        )

    def _bare_environment(self) -> dict[str, str]:
        # Zip functions inherit the emulator's environment, so it holds nothing of the
        # user's.
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(self.state / "home"),
            "TMPDIR": str(self.state / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **{
                name: value
                for name, value in self.environment().items()
                if name.startswith("AWS_")
            },
        }


def aws_settings() -> set[str]:
    """Return the names of the variables that may lead AWS's tools elsewhere."""
    return {name for name in os.environ if name.startswith("AWS_")}


def _no_proxy(name: str) -> str:
    known = os.environ.get(name, "")
    return ",".join(filter(None, [known, LOOPBACK, "localhost"]))
