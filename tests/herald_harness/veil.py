"""TLS for the tests: a socket that looks like a plain one, certificates by openssl, what a server prints of its own.

    Veil   what Connection needs of a socket, over TLS"""

import base64
import hashlib
import ssl
import subprocess

from .clock import Deadline


def trusting(path=None):
    """A context that trusts the certificates in `path`, or (None) whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if path is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(path)
    return context


class Veil:
    """A connected socket with TLS on it. Reading and writing are as a non-blocking socket's. A goodbye is an end of
    the stream, an end without one raises ssl.SSLEOFError."""

    def __init__(self, sock, context=None, host="localhost", seconds=None):
        sock.settimeout(Deadline(seconds).seconds)
        self.tls = (context or trusting()).wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)

    def __getattr__(self, name):
        return getattr(self.tls, name)

    @staticmethod
    def _unblocked(call, *arguments):
        try:
            return call(*arguments)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLZeroReturnError:
            return b""

    def send(self, data):
        return self._unblocked(self.tls.send, data)

    def recv(self, most):
        return self._unblocked(self.tls.recv, most)

    def fileno(self):
        return self.tls.fileno()


def openssl(*words, text=True, **options):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=text, timeout=Deadline(None).seconds,
                          check=False, stdin=subprocess.DEVNULL, **options)


def make_certificate(directory, name="server", names="DNS:localhost,IP:127.0.0.1"):
    """A key and a certificate signed with it: their paths."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    done = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3",
                   "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-out", certificate, "-keyout", key)
    assert done.returncode == 0, done.stderr
    key.chmod(0o600)
    return certificate, key


def fingerprint(certificate):
    """What heraldd prints, by openssl: of a path, or of DER."""
    source = ["-in", certificate] if not isinstance(certificate, bytes) else ["-inform", "DER", "-in", "/dev/stdin"]
    data = {} if not isinstance(certificate, bytes) else {"input": certificate}
    done = subprocess.run(["openssl", "x509", *map(str, source), "-noout", "-pubkey"], capture_output=True, check=True,
                          timeout=Deadline(None).seconds, **data)
    der = base64.b64decode(b"".join(done.stdout.splitlines()[1:-1]))
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
