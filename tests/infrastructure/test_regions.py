import json
import re

import pytest

from infra.kmeans_registries import REGISTRIES, image_uri
from infra.settings import Settings
from tests.infrastructure.synthesis import Template, render, synthesise


def test_the_template_has_the_kmeans_image_of_every_region(template: Template) -> None:
    image = template.environment(template.function("start_training"))["TRAINING_IMAGE"]
    (name,) = (name for name in template.body["Mappings"] if "Images" in name)

    assert image == f"<{name}[<AWS::Region>, Uri]>"
    assert template.body["Mappings"][name] == {
        region: {"Uri": image_uri(region)} for region in REGISTRIES
    }


def test_a_region_without_kmeans_is_refused_by_name_before_anything_is_created(
    template: Template,
) -> None:
    (rule,) = (
        rule
        for name, rule in template.body["Rules"].items()
        if "RegionHasKMeans" in name
    )

    (assertion,) = rule["Assertions"]
    assert "RuleCondition" not in rule
    assert assertion["Assert"] == {
        "Fn::Contains": [[*REGISTRIES], {"Ref": "AWS::Region"}]
    }
    for region in REGISTRIES:
        assert region in assertion["AssertDescription"]


def test_a_region_that_is_known_at_synth_is_refused_then() -> None:
    with pytest.raises(ValueError, match="no built-in KMeans in the region 'mars-1'"):
        synthesise(Settings(), region="mars-1")


def test_the_template_of_a_known_region_is_that_of_any(template: Template) -> None:
    assert (
        synthesise(Settings(), region="eu-west-1").body["Mappings"]
        == (template.body["Mappings"])
    )


@pytest.mark.parametrize(
    ("region", "uri"),
    [
        ("us-east-1", "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"),
        ("cn-north-1", "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/kmeans:1"),
    ],
)
def test_an_image_is_named_by_account_region_and_dns_suffix(
    region: str, uri: str
) -> None:
    assert image_uri(region) == uri


def test_the_template_names_no_account_and_no_region_but_in_the_table(
    template: Template,
) -> None:
    rest = {
        key: value
        for key, value in template.body.items()
        if key not in ("Mappings", "Rules")
    }
    text = json.dumps(rest)

    assert not re.findall(r"\b[0-9]{12}\b", text)
    assert not [region for region in REGISTRIES if region in text]


def test_the_outputs_are_what_the_documents_say(template: Template) -> None:
    def topic(having: str) -> str:
        return f"<{template.one('AWS::SNS::Topic', having=having).logical_id}>"

    assert {
        key: render(output["Value"]) for key, output in template.body["Outputs"].items()
    } == {
        "DataBucketName": "<DataBucket>",
        "InputUri": "s3://<DataBucket>/input/",
        "OutputUri": "s3://<DataBucket>/output/",
        "RunsTopicArn": topic("Runs"),
        "AlarmsTopicArn": topic("Alarms"),
        "AnalystPolicyArn": (f"<{template.one('AWS::IAM::ManagedPolicy').logical_id}>"),
    }


def test_of_sagemaker_nothing_is_made_but_by_the_functions(template: Template) -> None:
    types = {resource["Type"] for resource in template.body["Resources"].values()}

    assert not [kind for kind in types if kind.startswith("AWS::SageMaker::")]
