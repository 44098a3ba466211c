from sagemaker import image_uris

from infra.kmeans_registries import REGISTRIES, image_uri


def test_the_table_has_the_regions_that_the_sdk_knows_and_no_others() -> None:
    versions = image_uris.config_for_framework("kmeans")["versions"]

    assert list(versions) == ["1"]
    assert REGISTRIES.keys() == versions["1"]["registries"].keys()


def test_the_image_of_every_region_is_the_one_that_the_sdk_gives() -> None:
    ours = {region: image_uri(region) for region in REGISTRIES}

    assert ours == {
        region: image_uris.retrieve("kmeans", region) for region in REGISTRIES
    }
