"""Everything the environment says about HTTP: proxies, certificates and API keys. Nothing else reads them.

HTTP_PROXY, HTTPS_PROXY, ALL_PROXY   the proxy for an address; never for this machine
NO_PROXY                             hosts that are reached directly
SSL_CERT_FILE, SSL_CERT_DIR          certificates to trust (read by OpenSSL itself)
REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE   the same, as other programs call it
OPENAI_API_KEY, or --api-key-env     the key of an endpoint
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalsuite._util.http.transport import Address

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def find_proxy(address: Address) -> str | None:
    """The URL of the proxy for an address; None if it is reached directly."""
    if address.host in LOCAL_HOSTS:
        return None
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    return None if proxy is None or proxy_bypass(address.host) else proxy


def tls_context() -> ssl.SSLContext:
    """Which certificates to trust: the system's, or those that the environment names."""
    bundle = next((path for name in BUNDLE_VARIABLES if (path := os.environ.get(name))), None)
    if bundle is None or any(os.environ.get(name) for name in OPENSSL_VARIABLES):
        return ssl.create_default_context()
    if os.path.isdir(bundle):  # noqa: PTH112 (pathlib would be imported for this alone)
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)


def read_api_key(variable: str) -> str | None:
    """The key in an environment variable, without the newline that `$(cat key.txt)` and .env files leave."""
    return os.environ.get(variable, "").strip() or None
