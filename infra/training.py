"""Who trains, and who may have it trained."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.data_bucket import RUN_MODELS, RUN_TRAINING_DATA, DataBucket
from infra.kmeans_images import KMeansImages

_MADE_AT_RUN_TIME = "This stack's training jobs get their names at run time."


class Training(Construct):
    """The role and the image of this stack's training jobs, and the rights to them.

    The role needs no right to the image: SageMaker pulls it with its own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        data: DataBucket,
        job_name_prefix: str,
    ) -> None:
        super().__init__(scope, construct_id)
        #: What the names of this stack's training jobs start with.
        self.job_name_prefix = job_name_prefix
        #: SageMaker's KMeans image in the stack's region.
        self.image = KMeansImages(self, "KMeans").uri
        self._jobs = f"training-job/{job_name_prefix}-*"
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "sagemaker.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
            ),
        )
        data.allow(self.role, read=[RUN_TRAINING_DATA], write=[RUN_MODELS])
        for statement in data.key.for_training() if data.key else ():
            self.role.add_to_principal_policy(statement)
        _allow(
            self.role,
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            resource="log-group:/aws/sagemaker/TrainingJobs*",
            reason="SageMaker's log group of all training jobs, and the streams in it.",
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
            )
        )
        cdk.Validations.of(self.role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="Metrics have no ARN; the condition leaves SageMaker's own "
                "namespaces.",
            )
        )

    def allow_starting(self, role: iam.Role) -> None:
        """Allow a role to start this stack's training jobs under the training role."""
        self.allow_describing(role)
        _allow(
            role,
            "sagemaker:CreateTrainingJob",
            resource=self._jobs,
            reason=_MADE_AT_RUN_TIME,
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[self.role.role_arn],
                conditions={
                    "StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}
                },
            )
        )

    def allow_sweeping(self, role: iam.Role) -> None:
        """Allow a role to list all training jobs, and to look at and stop this stack's.

        Listing can't be narrowed to some jobs.
        """
        self.allow_describing(role)
        _allow(
            role,
            "sagemaker:StopTrainingJob",
            resource=self._jobs,
            reason=_MADE_AT_RUN_TIME,
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["sagemaker:ListTrainingJobs"], resources=["*"])
        )
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="ListTrainingJobs knows no resources: it lists names, times and "
                "states of all jobs of the account and region.",
            )
        )

    def allow_describing(self, role: iam.Role) -> None:
        """Allow a role to look at this stack's training jobs."""
        _allow(
            role,
            "sagemaker:DescribeTrainingJob",
            resource=self._jobs,
            reason=_MADE_AT_RUN_TIME,
        )


def _allow(role: iam.Role, *actions: str, resource: str, reason: str) -> None:
    """Allow actions of one service on resources here that a pattern names."""
    service = actions[0].partition(":")[0]
    role.add_to_principal_policy(
        iam.PolicyStatement(
            actions=[*actions],
            resources=[
                f"arn:{cdk.Aws.PARTITION}:{service}:{cdk.Aws.REGION}:"
                f"{cdk.Aws.ACCOUNT_ID}:{resource}"
            ],
        )
    )
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(
            # As cdk-nag writes such an ARN.
            id="AwsSolutions-IAM5[Resource::"
            f"arn:<AWS::Partition>:{service}:<AWS::Region>:<AWS::AccountId>:{resource}]",
            reason=reason,
        )
    )
