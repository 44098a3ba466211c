"""How the stand-in reaches the emulator where that isn't AWS's API."""

import os
import ssl
import urllib.request


def opener() -> urllib.request.OpenerDirector:
    """Return what opens the emulator's addresses, by TLS too.

    No proxy stands between us and loopback, whatever the environment says; and what
    boto3 trusts is trusted.
    """
    trust = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
