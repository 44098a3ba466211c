"""The report, whose large files are small here, so that they come in several parts."""

from geoclusters.aws.upload import PartedUpload
from tests.faults.report_drawn_once import handler as handler

defaults = PartedUpload.__init__.__kwdefaults__
assert defaults is not None
defaults["part_bytes"] = 1_000
