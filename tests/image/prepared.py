"""What `tests.image.engine` has prepared for a command, in the environment."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

_ASSEMBLY: Final = "GEOCLUSTERS_IMAGE_ASSEMBLY"
_OPTIONS: Final = "GEOCLUSTERS_IMAGE_BUILD_OPTIONS"
_SECONDS: Final = "GEOCLUSTERS_IMAGE_BUILD_SECONDS"
_LOOPBACK_ONLY: Final = "GEOCLUSTERS_IMAGE_LOOPBACK_ONLY"


@dataclass(frozen=True)
class Prepared:
    """A built image and what it was built from."""

    #: The synthesised app.
    assembly: Path
    #: What ``docker build`` was told beside the Dockerfile's own defaults.
    build_options: tuple[str, ...]
    #: How long that took.
    build_s: float
    #: Whether nothing but loopback can be reached.
    loopback_only: bool = False

    def on_loopback_only(self) -> Self:
        """Return the same, where nothing but loopback can be reached."""
        return replace(self, loopback_only=True)

    def to_environment(self) -> dict[str, str]:
        """Return it as variables."""
        return {
            _ASSEMBLY: str(self.assembly),
            _OPTIONS: shlex.join(self.build_options),
            _SECONDS: f"{self.build_s:.1f}",
            _LOOPBACK_ONLY: "yes" if self.loopback_only else "",
        }

    @classmethod
    def from_environment(cls, env: Mapping[str, str] = os.environ) -> Self | None:
        """Read it back, or return None outside of `tests.image.engine`."""
        if _ASSEMBLY not in env:
            return None
        return cls(
            Path(env[_ASSEMBLY]),
            tuple(shlex.split(env[_OPTIONS])),
            float(env[_SECONDS]),
            bool(env[_LOOPBACK_ONLY]),
        )
