"""Certificates for tests: an authority of its own, and PEM files that it signs, made anew for each test."""

import datetime
import itertools
import ssl

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """An authority that nobody knows but whoever is given its file.

    Attributes:
        file: Its own certificate.

    """

    def __init__(self, folder):
        self._folder = folder
        self._numbers = itertools.count()
        self._ca = trustme.CA()
        self.file = self._path()
        self._ca.cert_pem.write_to_path(self.file)

    def _path(self):
        self._folder.mkdir(exist_ok=True)
        return str(self._folder / f"{next(self._numbers)}.pem")

    def certificate(self, name=HOST, *, file=None, expired=False, holder=None):
        """A certificate with its chain and key, all in one file; returns its path. A client's has a `holder`."""
        file = file or self._path()
        times = {"not_before": PAST, "not_after": PAST + datetime.timedelta(days=1)} if expired else {}
        self._ca.issue_cert(name, common_name=holder, **times).private_key_and_cert_chain_pem.write_to_path(file)
        return file

    def holder(self, name=None, uri=None, lasts=86_400):
        """A client's certificate with its chain and key in one file, named so; returns its path. It lasts so long."""
        identities = [x509.UniformResourceIdentifier(uri)] if uri else [x509.DNSName("client.example")]
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
        issuer = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        authority = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(seconds=lasts))
            .add_extension(x509.SubjectAlternativeName(identities), critical=not name)
            .sign(authority, hashes.SHA256())
        )
        file = self._path()
        kind = serialization.PrivateFormat.PKCS8
        with open(file, "wb") as out:
            out.write(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
            out.write(certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def pair(self, name=HOST):
        """A certificate in two files: its path and that of its key."""
        leaf, files = self._ca.issue_cert(name), (self._path(), self._path())
        leaf.cert_chain_pems[0].write_to_path(files[0])
        leaf.private_key_pem.write_to_path(files[1])
        return files

    def trust(self, certificate=None):
        """What a client needs that believes this authority, and shows a certificate if it is given one.

        Unlike Python's own default it notices when a server ends without close_notify.
        """
        context = ssl.create_default_context(cafile=self.file)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if certificate:
            context.load_cert_chain(certificate)
        return context
