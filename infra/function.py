"""What every function has of its own: a role, a log group, and settings."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from geoclusters.environment import FunctionSettings


class Function(Construct):
    """A function whose role may write to its log group, and nothing else yet.

    Subclasses say what code it runs: they set `function`, made with `options`.
    """

    function: lambda_.Function

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        timeout: cdk.Duration,
        memory_mb: int,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal_policy,
        )
        self.role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )
        self.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            )
        )
        self.options: dict[str, Any] = {
            "architecture": lambda_.Architecture.X86_64,
            "timeout": timeout,
            "memory_size": memory_mb,
            "role": self.role,
            "log_group": log_group,
            "logging_format": lambda_.LoggingFormat.JSON,
            "environment": {
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
        }

    def configure(self, settings: FunctionSettings) -> None:
        """Hand the function its settings."""
        for name, value in settings.to_env().items():
            self.function.add_environment(name, value)
