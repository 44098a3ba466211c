"""What a person needs who has places clustered."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from geoclusters import layout
from infra.data_bucket import DataBucket

_WRITE = [f"{layout.INPUT_PREFIX}*", f"{layout.BOUNDARIES_PREFIX}*"]
#: Uploads too: copied onto themselves with other parameters they run again.
_READ = [f"{layout.OUTPUT_PREFIX}*", f"{layout.INPUT_PREFIX}*"]


class AnalystPolicy(Construct):
    """A managed policy to attach to analysts: put tables and borders, read results."""

    def __init__(
        self, scope: Construct, construct_id: str, *, data: DataBucket
    ) -> None:
        super().__init__(scope, construct_id)
        policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Put uploads and borders, read the results of geoclusters.",
        )
        data.allow(policy, read=_READ, write=_WRITE)
        self.policy_arn = policy.managed_policy_arn
