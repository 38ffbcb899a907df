"""A signer of SDK-HMAC-SHA256 that is neither the server's code nor an SDK, and can send what no SDK does."""

import hashlib
import hmac
import time
import urllib.parse

from harness import Client

SCHEME = "SDK-HMAC-SHA256"


def quoted(text):
    """All but unreserved characters as %XX, in upper case."""
    return urllib.parse.quote(text, safe="-_.~")


def sdk_date(seconds_from_now=0):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds_from_now))


def canonical_request(method, path, query, headers, body):
    """`path` and the pairs of `query` as they are meant, not escaped; `headers` are those that are signed."""
    encoded_path = "/".join(quoted(segment) for segment in path.split("/"))
    if not encoded_path.endswith("/"):
        encoded_path += "/"
    pairs = sorted(((quoted(name), quoted(value)) for name, value in query), key=lambda pair: pair[0])
    signed = sorted((name.lower(), value) for name, value in headers.items())
    announced = dict(signed).get("x-sdk-content-sha256")
    return "\n".join([
        method, encoded_path, "&".join("%s=%s" % pair for pair in pairs),
        "".join("%s:%s\n" % header for header in signed), ";".join(name for name, _ in signed),
        announced or hashlib.sha256(body).hexdigest()])


def authorization(access_key, secret_key, method, path, query, headers, body):
    date = next(value for name, value in headers.items() if name.lower() == "x-sdk-date")
    canonical = canonical_request(method, path, query, headers, body)
    to_sign = "\n".join([SCHEME, date, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(secret_key.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return "%s Access=%s, SignedHeaders=%s, Signature=%s" % (
        SCHEME, access_key, ";".join(sorted(name.lower() for name in headers)), signature)


class Signer(Client):
    """A connection whose requests are signed."""

    def __init__(self, server, access_key, secret_key, project=None):
        super().__init__(server)
        self.host = "127.0.0.1:%d" % server.port
        self.access_key = access_key
        self.secret_key = secret_key
        self.project = project

    def signed(self, method, path, query=(), body=b"", headers=None, date=None, method_sent=None, target_sent=None,
               body_sent=None, headers_sent=None):
        """Signs a request and sends it; what ends in `_sent` takes the place of what was signed (a header that is None
        is left out)."""
        to_sign = {"Host": self.host, "X-Sdk-Date": date or sdk_date(), **(headers or {})}
        if self.project:
            to_sign.setdefault("X-Project-Id", self.project)
        sent = dict(to_sign, Authorization=authorization(self.access_key, self.secret_key, method, path, query, to_sign,
                                                         body))
        sent.update(headers_sent or {})
        target = "/".join(quoted(segment) for segment in path.split("/"))
        if query:
            target += "?" + "&".join("%s=%s" % (quoted(name), quoted(value)) for name, value in query)
        body = body if body_sent is None else body_sent
        return self.request(method_sent or method, target_sent or target, body or None,
                            **{name: value for name, value in sent.items() if value is not None})
