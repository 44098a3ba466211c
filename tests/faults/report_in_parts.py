"""The report, whose large files are small here, so that they come in several parts."""

from container.handler import handler as handler
from geoclusters.aws.upload import PartedUpload

defaults = PartedUpload.__init__.__kwdefaults__
assert defaults is not None
defaults["part_bytes"] = 1_000
