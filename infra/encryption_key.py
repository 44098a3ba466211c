"""What a customer's own key demands of who uses the bucket under it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aws_cdk as cdk
from aws_cdk import aws_iam as iam


@dataclass(frozen=True)
class EncryptionKey:
    """A KMS key that is there already; its owner decides about its policy."""

    arn: str

    @classmethod
    def of(cls, arn: str) -> Self | None:
        """Return the key, or None where no ARN is given."""
        return cls(arn) if arn else None

    def for_objects(self, *, read: bool, write: bool) -> list[iam.PolicyStatement]:
        """Return what reading and writing objects needs, by way of S3 alone.

        Uploads in parts are decrypted when they are completed: who writes reads too.
        """
        actions = [
            *(["kms:Decrypt"] if read or write else []),
            *(["kms:GenerateDataKey"] if write else []),
        ]
        # In China the name goes on with ".cn".
        s3 = f"s3.{cdk.Aws.REGION}.amazonaws.com*"
        return [self._allow(actions, {"StringLike": {"kms:ViaService": s3}})]

    def for_training(self) -> list[iam.PolicyStatement]:
        """Return what SageMaker needs beside, of the role that jobs run under.

        It demands kms:Encrypt of who names a key for the models, and a grant for the
        disks of the machines that train, which aren't the account's own:
        https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
        """
        for_a_service = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        return [
            self._allow(["kms:Encrypt"], None),
            self._allow(["kms:CreateGrant"], for_a_service),
        ]

    def _allow(
        self, actions: list[str], conditions: Mapping[str, object] | None
    ) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=actions, resources=[self.arn], conditions=conditions
        )
