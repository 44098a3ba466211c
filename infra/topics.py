"""Where one hears of runs that ended, and of alarms."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.settings import Settings

_USE = ["kms:Decrypt", "kms:GenerateDataKey*"]


class Topics(Construct):
    """Two topics under a key of their own, each with an e-mail address if one is set.

    CloudWatch can't publish to a topic under the key alias/aws/sns: nobody can let it
    use that one.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings
    ) -> None:
        super().__init__(scope, construct_id)
        self._key = kms.Key(
            self,
            "Key",
            description="Messages of geoclusters, on their way.",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        here = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
        cloudwatch_alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        self._key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch_alarms],
                actions=_USE,
                resources=["*"],
                conditions=here,
            )
        )
        #: One message a run that succeeded or failed.
        self.runs = self._topic("Runs", settings.runs_email)
        #: What an operator should look at.
        self.alarms = self._topic("Alarms", settings.alarms_email)
        self.alarms.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch_alarms],
                actions=["sns:Publish"],
                resources=[self.alarms.topic_arn],
                conditions=here,
            )
        )

    def allow_telling(self, role: iam.Role) -> None:
        """Allow a role to tell of runs."""
        for actions_, arn in (
            (["sns:Publish"], self.runs.topic_arn),
            (["kms:Decrypt", "kms:GenerateDataKey"], self._key.key_arn),
        ):
            role.add_to_principal_policy(
                iam.PolicyStatement(actions=actions_, resources=[arn])
            )

    def tell_of(self, alarm: cloudwatch.Alarm) -> None:
        """Send a message when an alarm begins.

        Not when it ends: each alarm's first look at things ends well, and would be told
        after every deployment.
        """
        alarm.add_alarm_action(actions.SnsAction(self.alarms))

    def _topic(self, construct_id: str, email: str) -> sns.Topic:
        topic = sns.Topic(self, construct_id, master_key=self._key, enforce_ssl=True)
        if email:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        return topic
