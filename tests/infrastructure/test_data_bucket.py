from infra.checks import SOME_KEY
from infra.queued_function import DEAD_LETTER_RETENTION
from infra.settings import Settings
from tests.infrastructure.synthesis import Template, render, synthesise


def test_the_bucket_keeps_its_logical_id_for_it_holds_the_data(
    template: Template,
) -> None:
    assert [r.logical_id for r in template.all("AWS::S3::Bucket")] == ["DataBucket"]


def test_deleting_the_stack_leaves_the_data_unless_said_otherwise(
    template: Template,
) -> None:
    bucket = template.one("AWS::S3::Bucket").body
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == (
        "Retain",
        "Retain",
    )

    destroyed = synthesise(Settings(removal="destroy")).one("AWS::S3::Bucket").body
    assert destroyed["DeletionPolicy"] == "Delete"


def test_the_bucket_is_versioned_encrypted_and_private(template: Template) -> None:
    properties = template.one("AWS::S3::Bucket").properties

    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [
            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        ]
    }
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["OwnershipControls"] == {
        "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
    }


def test_the_bucket_is_encrypted_by_the_customers_key_if_there_is_one(
    under_a_key: Template,
) -> None:
    bucket = under_a_key.one("AWS::S3::Bucket")

    assert bucket.properties["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": SOME_KEY,
                },
                "BucketKeyEnabled": True,
            }
        ]
    }
    # The key is the customer's: the stack makes none but that of the topics.
    assert len(under_a_key.all("AWS::KMS::Key")) == 1


def test_a_key_replaces_nothing(template: Template, under_a_key: Template) -> None:
    without, with_ = (one.body["Resources"] for one in (template, under_a_key))

    assert with_.keys() == without.keys()
    changed = {name for name in with_ if with_[name] != without[name]}
    assert {with_[name]["Type"] for name in changed} == {
        "AWS::S3::Bucket",
        "AWS::Lambda::Function",  # start_training, which names the key to SageMaker
        "AWS::IAM::Policy",
        "AWS::IAM::ManagedPolicy",
    }


def test_the_bucket_is_only_reached_by_tls_and_its_policy_allows_nothing(
    template: Template,
) -> None:
    policy = template.one("AWS::S3::BucketPolicy").properties["PolicyDocument"]

    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Action"] == "s3:*"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [render(resource) for resource in statement["Resource"]] == [
        "<DataBucket.Arn>",
        "<DataBucket.Arn>/*",
    ]


def test_the_bucket_tells_eventbridge_without_a_helper_function(
    template: Template,
) -> None:
    assert template.one("AWS::S3::Bucket").properties["NotificationConfiguration"] == {
        "EventBridgeConfiguration": {"EventBridgeEnabled": True}
    }
    assert len(template.all("AWS::Lambda::Function")) == 6
    assert not [r for r in template.body["Resources"].values() if "Custom" in r["Type"]]


def test_runs_expire_with_their_old_versions_and_their_delete_markers(
    template: Template,
) -> None:
    lifecycle = template.one("AWS::S3::Bucket").properties["LifecycleConfiguration"]

    assert lifecycle["Rules"] == [
        {
            "Id": "runs-expire",
            "Prefix": "runs/",
            "Status": "Enabled",
            "ExpirationInDays": 30,
        },
        {
            "Id": "old-versions-expire",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "ExpiredObjectDeleteMarker": True,
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        },
    ]


def test_runs_outlive_the_dead_letters_that_point_to_them(template: Template) -> None:
    lifecycle = template.one("AWS::S3::Bucket").properties["LifecycleConfiguration"]
    shortest = Settings(retention_days=15)

    assert shortest.retention_days > DEAD_LETTER_RETENTION.to_days()
    assert lifecycle["Rules"][0]["ExpirationInDays"] > DEAD_LETTER_RETENTION.to_days()
