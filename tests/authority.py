"""Certificates for tests: an authority of its own, and PEM files that it signs, made anew for each test."""

import datetime
import itertools
import ssl

import trustme

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
