"""The CDK app: settings in, one stack out."""

import sys

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.settings import Settings, SettingsError
from infra.stack import GeoclustersStack


def main() -> None:
    """Synthesise the stack, unless a setting is wrong or cdk-nag finds something."""
    # A report of how long a slow synth took would make it differ from run to run.
    app = cdk.App(performance_reporting=False)
    try:
        settings = Settings.from_context(app.node.get_all_context())
    except SettingsError as error:
        sys.exit(str(error))
    GeoclustersStack(app, settings.stack_name, settings=settings)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    main()
