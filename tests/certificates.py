"""Certificates, made by the openssl command."""

import os
import subprocess


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True).stdout


class Pair:
    """A certificate and its key in `folder`, made by `issuer` (another Pair, or itself)."""

    def __init__(self, folder, name, issuer=None, names="DNS:localhost,IP:127.0.0.1", days=30, ca=False):
        self.certificate = os.path.join(folder, name + ".pem")
        self.key = os.path.join(folder, name + ".key")
        request = os.path.join(folder, name + ".csr")
        extensions = os.path.join(folder, name + ".ext")
        with open(extensions, "w") as file:
            file.write("basicConstraints=critical,CA:%s\nsubjectAltName=%s\n" % ("TRUE" if ca else "FALSE", names))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                "-keyout", self.key, "-out", request)
        signed_by = ["-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else \
            ["-signkey", self.key]
        openssl("x509", "-req", "-in", request, "-out", self.certificate, "-days", str(days), "-extfile", extensions,
                *signed_by)
        self.serial = openssl("x509", "-in", self.certificate, "-noout", "-serial").strip().partition("=")[2]

    def settings(self, **more):
        names = dict(tls_certificate=self.certificate, tls_key=self.key, **more)
        return [part for name, value in names.items() for part in ("--http-" + name.replace("_", "-"), value)]
