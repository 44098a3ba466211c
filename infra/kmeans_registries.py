"""Where SageMaker keeps its built-in KMeans image: an account of AWS's own per region.

The table is a copy of what version 2 of the SageMaker SDK knows (`kmeans.json` of its
image URIs, and its endpoints' DNS suffixes); `tests/sdk/test_kmeans_images.py` compares
the two. This module doesn't import the CDK, which can't be installed beside the SDK.
"""

from typing import NamedTuple

_CHINA = "amazonaws.com.cn"
_ISO = "c2s.ic.gov"
_ISO_B = "sc2s.sgov.gov"
_ISO_F = "csp.hci.ic.gov"


class Registry(NamedTuple):
    """The container registry of one region."""

    account: str
    dns_suffix: str = "amazonaws.com"


REGISTRIES = {
    "af-south-1": Registry("455444449433"),
    "ap-east-1": Registry("286214385809"),
    "ap-northeast-1": Registry("351501993468"),
    "ap-northeast-2": Registry("835164637446"),
    "ap-northeast-3": Registry("867004704886"),
    "ap-south-1": Registry("991648021394"),
    "ap-south-2": Registry("628508329040"),
    "ap-southeast-1": Registry("475088953585"),
    "ap-southeast-2": Registry("712309505854"),
    "ap-southeast-3": Registry("951798379941"),
    "ap-southeast-4": Registry("106583098589"),
    "ca-central-1": Registry("469771592824"),
    "ca-west-1": Registry("190319476487"),
    "cn-north-1": Registry("390948362332", _CHINA),
    "cn-northwest-1": Registry("387376663083", _CHINA),
    "eu-central-1": Registry("664544806723"),
    "eu-central-2": Registry("680994064768"),
    "eu-north-1": Registry("669576153137"),
    "eu-south-1": Registry("257386234256"),
    "eu-south-2": Registry("104374241257"),
    "eu-west-1": Registry("438346466558"),
    "eu-west-2": Registry("644912444149"),
    "eu-west-3": Registry("749696950732"),
    "il-central-1": Registry("898809789911"),
    "me-central-1": Registry("272398656194"),
    "me-south-1": Registry("249704162688"),
    "sa-east-1": Registry("855470959533"),
    "us-east-1": Registry("382416733822"),
    "us-east-2": Registry("404615174143"),
    "us-gov-east-1": Registry("237065988967"),
    "us-gov-west-1": Registry("226302683700"),
    "us-iso-east-1": Registry("490574956308", _ISO),
    "us-isob-east-1": Registry("765400339828", _ISO_B),
    "us-isof-east-1": Registry("108575199400", _ISO_F),
    "us-isof-south-1": Registry("124985052026", _ISO_F),
    "us-west-1": Registry("632365934929"),
    "us-west-2": Registry("174872318107"),
}


def image_uri(region: str) -> str:
    """Return the URI of the KMeans image in a region.

    Raises
    ------
    ValueError
        If SageMaker has no built-in KMeans there.
    """
    if region not in REGISTRIES:
        msg = (
            f"SageMaker has no built-in KMeans in the region {region!r}; "
            f"deploy to one of: {', '.join(REGISTRIES)}"
        )
        raise ValueError(msg)
    account, dns_suffix = REGISTRIES[region]
    return f"{account}.dkr.ecr.{region}.{dns_suffix}/kmeans:1"
