"""The one bucket: uploads, runs and results, each under its prefix."""

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from geoclusters import layout
from infra.encryption_key import EncryptionKey
from infra.settings import Settings

#: An id of its own: moving the construct in the code must not replace the data.
_LOGICAL_ID = "DataBucket"

#: The keys that more than one role is allowed.
RUN_RECORDS = f"{layout.RUNS_PREFIX}*/{layout.RUN_RECORD_NAME}"
RUN_STATUSES = f"{layout.RUNS_PREFIX}*/{layout.STATUS_NAME}"
RUN_PLACES = f"{layout.RUNS_PREFIX}*/places/*"
RUN_LEFT_OUT = f"{layout.RUNS_PREFIX}*/{layout.REJECTED_NAME}"
RUN_TRAINING_DATA = f"{layout.RUNS_PREFIX}*/train/*"
RUN_MODELS = f"{layout.RUNS_PREFIX}*/model/*"
OUTPUT_STATUSES = f"{layout.OUTPUT_PREFIX}*/{layout.STATUS_NAME}"


class DataBucket(Construct):
    """A versioned, encrypted bucket that speaks TLS only and tells EventBridge.

    What is under `runs/` expires; uploads, borders and results stay until their owner
    deletes them, and what is overwritten or deleted can be had back for as long as runs
    are kept.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
    ) -> None:
        super().__init__(scope, construct_id)
        retention = cdk.Duration.days(settings.retention_days)
        #: The customer's own key; None where S3's own keys encrypt.
        self.key = EncryptionKey.of(settings.kms_key_arn)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            versioned=True,
            **self._encryption(),
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=settings.removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="runs-expire",
                    prefix=layout.RUNS_PREFIX,
                    expiration=retention,
                ),
                # In a versioned bucket expiration alone only adds delete markers.
                s3.LifecycleRule(
                    id="old-versions-expire",
                    noncurrent_version_expiration=retention,
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                ),
            ],
        )
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        resource.override_logical_id(_LOGICAL_ID)
        # event_bridge_enabled=True would make a custom resource and a helper function.
        resource.add_property_override(
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled",
            True,
        )
        cdk.Validations.of(self.bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="Server access logs need a second bucket and say less than "
                "CloudTrail's data events, which an account that wants an audit trail "
                "switches on for all its buckets.",
            )
        )

    def allow(
        self,
        grantee: iam.Role | iam.ManagedPolicy,
        *,
        read: Sequence[str],
        write: Sequence[str],
        write_in_parts: Sequence[str] = (),
    ) -> None:
        """Allow to read, write and list what matches the patterns, and no more.

        Of what may be written, uploads in parts may be aborted only where that is said:
        beginning and completing them is writing, aborting them an action of its own.

        Listing also decides how S3 answers for a missing key: with 404 to who may list
        it, with 403 to everybody else.
        """
        keys = list(dict.fromkeys([*read, *write]))
        statements = [
            self._on_objects("s3:GetObject", read),
            self._on_objects("s3:PutObject", write),
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self.bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": keys}},
            ),
        ]
        if write_in_parts:
            aborting = self._on_objects("s3:AbortMultipartUpload", write_in_parts)
            statements.append(aborting)
        if self.key is not None:
            statements += self.key.for_objects(read=bool(read), write=bool(write))
        for statement in statements:
            grantee.grant_principal.add_to_principal_policy(statement)
        for key in keys:
            cdk.Validations.of(grantee).acknowledge(
                cdk.Acknowledgment(
                    id=f"AwsSolutions-IAM5[Resource::<{_LOGICAL_ID}.Arn>/{key}]",
                    reason="Keys are made at run time; this is the narrowest pattern "
                    "of those that are needed here.",
                )
            )

    def _encryption(self) -> dict[str, Any]:
        if self.key is None:
            return {"encryption": s3.BucketEncryption.S3_MANAGED}
        return {
            "encryption": s3.BucketEncryption.KMS,
            "encryption_key": kms.Key.from_key_arn(self, "Key", self.key.arn),
            # One request to KMS serves many objects.
            "bucket_key_enabled": True,
        }

    def _on_objects(self, action: str, patterns: Sequence[str]) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=[action],
            resources=[self.bucket.arn_for_objects(pattern) for pattern in patterns],
        )
