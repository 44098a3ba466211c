"""The sweep, for tests that can't wait until a message shows again."""

from typing import Final

from lambdas.sweep import letters
from lambdas.sweep.handler import handler as handler

#: In seconds, instead of minutes.
HIDDEN_S: Final = 1

letters.HIDDEN_S = HIDDEN_S
