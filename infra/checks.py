"""Checks the template: `python -m infra.checks`.

cdk-nag's AwsSolutions rules are part of every synth (app.py); cfn-lint looks at what
that wrote. Nothing is bundled: it needs neither Docker nor network.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from infra.bundler import PROJECT_ROOT

#: The CDK writes out dependencies (W3005) that CloudFormation would find by itself.
_LINT_IGNORES = "W3005"

#: A key that is nowhere: for looking at what a deployment under it would be.
SOME_KEY = "arn:aws:kms:us-east-1:111122223333:key/01234567-89ab-cdef-0123-456789abcdef"


def context() -> dict[str, object]:
    """Return the context that the CDK CLI would pass, without bundling."""
    cdk_json = json.loads((PROJECT_ROOT / "cdk.json").read_text())
    return {**cdk_json["context"], "aws:cdk:bundling-stacks": []}


def synthesise(
    assembly: Path, *, project: Path = PROJECT_ROOT, **settings: str | int
) -> subprocess.CompletedProcess[str]:
    """Run a clone's app as the CDK CLI does; it writes its assembly to a folder."""
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=project,
        env={
            **os.environ,
            "CDK_OUTDIR": str(assembly),
            "CDK_CONTEXT_JSON": json.dumps({**context(), **settings}),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def lint(assembly: Path) -> subprocess.CompletedProcess[str]:
    """Run cfn-lint on all templates of an assembly."""
    return subprocess.run(
        [
            Path(sys.executable).with_name("cfn-lint"),
            *("--ignore-checks", _LINT_IGNORES, "--"),
            *assembly.glob("*.template.json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Say what is wrong with the template; return 0 if nothing is."""
    for key in ("", SOME_KEY):
        with tempfile.TemporaryDirectory(prefix="geoclusters-") as folder:
            for check in (partial(synthesise, kms_key_arn=key), lint):
                done = check(Path(folder))
                if done.returncode:
                    print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
                    return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
