"""The image of SageMaker's built-in KMeans, for whichever region the stack goes to."""

import aws_cdk as cdk
from constructs import Construct

from infra.kmeans_registries import REGISTRIES, image_uri


class KMeansImages(Construct):
    """The KMeans image of every region that has one; a deployment elsewhere is refused.

    The template is the same for all regions: a mapping holds the images, and a rule
    refuses an unsupported region before anything is created. Where the stack's region
    is known to the synth already, that refuses it.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        if not cdk.Token.is_unresolved(region):
            image_uri(region)

        cdk.CfnRule(
            self,
            "RegionHasKMeans",
            assertions=[
                cdk.CfnRuleAssertion(
                    assert_=cdk.Fn.condition_contains([*REGISTRIES], cdk.Aws.REGION),
                    assert_description=(
                        "SageMaker has no built-in KMeans in this region; deploy to "
                        f"one of: {', '.join(REGISTRIES)}"
                    ),
                )
            ],
        )
        images = cdk.CfnMapping(
            self,
            "Images",
            mapping={region: {"Uri": image_uri(region)} for region in REGISTRIES},
        )
        #: The image's URI in the stack's region.
        self.uri: str = images.find_in_map(cdk.Aws.REGION, "Uri")
