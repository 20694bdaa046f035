"""Read a kubeconfig by the Kubernetes client's own rules, and say in words what is wrong with it.

The client writes keys and certificates that stand in a kubeconfig to temporary files, because Python's TLS
can load them from files only. Here they go into a folder of their own (mode 0700) that is gone as soon as
they have been loaded: nothing stays on disk, even when the program is killed later.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from wizards.sanitize import one_line

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MOST_BYTES: Final = 4 * 1024 * 1024
CONNECTIONS: Final = 32
"""Connections kept at once: one for each watch, and four for other requests."""


class HealthError(Exception):
    """The cluster's health cannot be read at all.

    Attributes:
        message: What is wrong, in one sentence.
        remedy: What to do about it, in one sentence.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class BadKubeconfig(HealthError):
    """The kubeconfig is missing, cannot be read, or does not say how to reach a cluster."""


def open_client(path: Path, context: str | None = None) -> ApiClient:
    """Return the Kubernetes client for `path`, its TLS set up and its secrets in memory only.

    Args:
        path: The kubeconfig.
        context: The context to use; without it the file's current one.

    Raises:
        BadKubeconfig: In words, when that is not possible.
    """
    from kubernetes.client import ApiClient, Configuration

    data = read_kubeconfig(path)
    _check_context(data, context, path)
    configuration = Configuration()
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        _load(data, context, path, configuration, folder)
        tls = _tls(configuration, path)
        # The client would open the files again for each connection; the context below holds what is in them.
        configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None
    client = ApiClient(configuration)
    client.rest_client.pool_manager = _pool(configuration, tls)
    return client


def read_kubeconfig(path: Path) -> Mapping[str, Any]:
    """Return the data of the kubeconfig at `path`.

    Raises:
        BadKubeconfig: It is missing, unreadable, too large, or not a kubeconfig.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadKubeconfig(f"{path} is too large to be a kubeconfig.")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadKubeconfig(
            f"There is no kubeconfig at {path}.", "A run writes it once Kubernetes answers."
        ) from None
    except IsADirectoryError:
        raise BadKubeconfig(f"{path} is a folder, not a kubeconfig.") from None
    except OSError as error:
        raise BadKubeconfig(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadKubeconfig(f"{path} is not a text file.") from None
    except yaml.YAMLError as error:
        # The error's own words would quote the file, secrets included.
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise BadKubeconfig(f"{path} is not valid YAML{where}.") from None
    if not isinstance(data, dict) or not isinstance(data.get("clusters"), list) or not data["clusters"]:
        raise BadKubeconfig(f"{path} is not a kubeconfig: it names no cluster.")
    return data


def _check_context(data: Mapping[str, Any], context: str | None, path: Path) -> None:
    names = [str(c.get("name")) for c in data.get("contexts") or () if isinstance(c, dict)]
    wanted = context or data.get("current-context")
    if not wanted:
        raise BadKubeconfig(
            f"{path} names no current context.", f"Choose one of: {', '.join(names)}." if names else ""
        )
    if wanted not in names:
        listed = f"It has: {', '.join(names)}." if names else "It has none."
        raise BadKubeconfig(f"{path} has no context {one_line(str(wanted), 80)}.", one_line(listed))


def _load(data: Mapping[str, Any], context: str | None, path: Path, configuration: Any, folder: str) -> None:
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    try:
        loader = KubeConfigLoader(
            config_dict=dict(data),
            active_context=context,
            config_base_path=str(path.resolve().parent),
            temp_file_path=folder,
        )
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise BadKubeconfig(
            f"{path} does not say how to reach the cluster: {one_line(str(error))}."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        # Their words may hold what stands in the file.
        raise BadKubeconfig(
            f"{path} does not say how to reach the cluster: a field has the wrong form."
        ) from None


def _tls(configuration: Any, path: Path) -> ssl.SSLContext:
    """Return the TLS settings of `configuration`, with what its files hold already loaded.

    It is a plain context: Python 3.13's default one also asks certificates for key identifiers that a CA made
    by kubeadm does not carry.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if not configuration.verify_ssl:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        elif configuration.ssl_ca_cert:
            tls.load_verify_locations(configuration.ssl_ca_cert)
        else:
            tls.load_default_certs()
        if configuration.cert_file:
            tls.load_cert_chain(configuration.cert_file, configuration.key_file)
    except (ssl.SSLError, OSError):
        raise BadKubeconfig(f"{path} holds a certificate or key that cannot be used.") from None
    return tls


def _pool(configuration: Any, tls: ssl.SSLContext) -> Any:
    import urllib3
    from requests.utils import should_bypass_proxies

    options: dict[str, Any] = {"maxsize": CONNECTIONS, "ssl_context": tls, "retries": False}
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    if not configuration.verify_ssl:
        # It was asked for in the kubeconfig; a warning on each request would only spoil the screen.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    proxy = configuration.proxy
    if proxy and not should_bypass_proxies(configuration.host, no_proxy=configuration.no_proxy or ""):
        return urllib3.ProxyManager(proxy_url=proxy, proxy_headers=configuration.proxy_headers, **options)
    return urllib3.PoolManager(**options)
