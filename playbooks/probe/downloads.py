"""Can this machine reach what it will download from, through the proxy where there is one?"""

import base64
import http.client
import socket
import ssl
import threading
import time
from urllib.parse import unquote, urlsplit

from probe import lookups

_SECONDS = 5.0
_AT_ONCE = 8
_BROKEN = (407, 502, 503, 504)  # what a proxy answers that does not get through


def look(params):
    """Return the fields about names and, for those that are known, about what can be had from there.

    One after the other: a resolver that never answers is then waited for once.
    """
    found = lookups.look(params)
    unknown = {name for name, known in found["resolves"].items() if not known}
    waiting = [url for url in params["urls"] if urlsplit(url).hostname not in unknown]
    return dict(found, downloads=_downloads(params, waiting, unknown))


def _downloads(params, urls, unknown):
    """Return for each address an empty text, or in words why nothing can be had from there."""
    waiting, found = list(urls), {}
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not waiting:
                    return
                url = waiting.pop(0)
            found[url] = _try(url, params["proxy"])

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(waiting)))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2.5 * _SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    names = "its name cannot be looked up"
    return {
        url: names if urlsplit(url).hostname in unknown else found.get(url, "no answer in time")
        for url in params["urls"]
    }


def _try(url, proxies):
    try:
        status = _status(url, proxies)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        return "it answers, but its certificate is not trusted: %s" % reason
    except socket.timeout:
        return "no answer in %d s" % _SECONDS
    except socket.gaierror:
        return "its name cannot be looked up"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _plain(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return "it answers %d" % status if status in _BROKEN else ""


def _plain(text):
    return " ".join(text.split())[:160].lower()


def _status(url, proxies):
    """Return the code of the answer: any answer shows that the way is open; a refusal counts as one."""
    parts = urlsplit(url)
    proxy = _proxy_for(parts, proxies)
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    headers = {"User-Agent": "slipway-preflight", "Host": parts.netloc}
    if proxy is None:
        connection = _connection(parts.scheme, parts.hostname, parts.port)
    else:
        login = _login(proxy)
        connection = _connection(
            "tunnel" if parts.scheme == "https" else "http", proxy.hostname, proxy.port or 80
        )
        if parts.scheme == "https":
            connection.set_tunnel(parts.hostname, parts.port or 443, login)
        else:
            path = url
            headers.update(login)
    try:
        connection.request("HEAD", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _connection(scheme, host, port):
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=_SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=ssl.create_default_context())


def _login(proxy):
    """Return the header that names the user to the proxy."""
    if not proxy.username:
        return {}
    pair = "%s:%s" % (unquote(proxy.username), unquote(proxy.password or ""))
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _proxy_for(parts, proxies):
    url = proxies.get(parts.scheme + "_proxy")
    if not url or _is_direct(parts.hostname or "", proxies.get("no_proxy", "")):
        return None
    return urlsplit(url if "://" in url else "http://" + url)


def _is_direct(host, rules):
    for rule in rules.split(","):
        plain = rule.strip().lstrip("*").lstrip(".")
        if plain and (host == plain or host.endswith("." + plain)):
            return True
    return False
