"""Whether a certificate may be believed: link by link from the root down, every rule by name.

What is proved once about an authority (a signature under a key) stays true, so it is remembered: then only the leaf's
signature costs. Dates and revocation are looked at each time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise

from sm.certificates.reading import Certificate
from sm.certificates.revocation import RevocationList
from sm.errors import InvalidCertificate, InvalidSignature
from sm.sm2 import Provider, Verifier

MAX_CHAIN = 6  # certificates, leaf and root included; ours has four
MAX_INTERMEDIATES = 8  # hostile ones share one name and lead up to 8·7·6·5 ways
MAX_PATHS = 4  # ways up that are tried where authorities share a name
MAX_REMEMBERED = 1024

Path = tuple[Certificate, ...]  # from the leaf to the root


class Trust:
    """Decides which certificates stand below `roots`.

    Args:
        roots: the certificates where trust begins; they are taken as given, except for their dates and usage.
        provider: does the SM2.
        revocation_required: refuse a chain when an authority's revocation list is missing. Otherwise a missing list
            counts as an empty one, for a caller that asks its own registers; a list that is there always counts.
    """

    def __init__(self, roots: Iterable[Certificate], provider: Provider, *, revocation_required: bool = False) -> None:
        self._roots = tuple(roots)
        self._provider = provider
        self._revocation_required = revocation_required
        self._verifiers: dict[bytes, Verifier] = {}
        self._proved: set[tuple[bytes, bytes]] = set()  # (key that signed, fingerprint of what it signed)

    def __repr__(self) -> str:
        return f"Trust({len(self._roots)} roots, {len(self._proved)} proofs remembered)"

    def verify_chain(
        self,
        leaf: Certificate,
        intermediates: Iterable[Certificate],
        at: datetime,
        crls: Iterable[RevocationList] = (),
        purpose: str | None = None,
    ) -> Certificate:
        """Give back the leaf if it may be believed at the time `at`; otherwise raise InvalidCertificate.

        The leaf may sign, is no authority, and has `purpose` (an object identifier) if one is asked for. Intermediates
        come in any order from anybody; `crls` from our own store, one for each authority, the newest counts.
        """
        _require_leaf(leaf, purpose)
        lists = tuple(crls)
        refusal = InvalidCertificate("certificate_issuer_unknown", "no known authority has issued the certificate")
        for path in islice(_paths_up((leaf,), tuple(islice(intermediates, MAX_INTERMEDIATES)), self._roots), MAX_PATHS):
            try:
                self._verify_path(path, at, lists)
            except InvalidCertificate as broken:
                refusal = broken
            else:
                return leaf
        raise refusal

    def _verify_path(self, path: Path, at: datetime, crls: Sequence[RevocationList]) -> None:
        for place, certificate in enumerate(path):
            _require_in_dates(certificate, at)
            _require_known_extensions(certificate)
            if place:
                _require_authority(certificate, below=place - 1)
        for issued, issuer in reversed(tuple(pairwise(path))):
            self._verify_signature(issued, issuer)
            self._verify_not_revoked(issued, issuer, at, crls)

    def _verify_signature(self, issued: Certificate, issuer: Certificate) -> None:
        try:
            if issued.is_ca:
                self._prove_once(issuer, issued)
            else:
                self._verifier(issuer).verify(issued.tbs, issued.signature)
        except InvalidSignature:
            raise InvalidCertificate("certificate_signature", "the issuer has not signed the certificate") from None

    def _verify_not_revoked(
        self, issued: Certificate, issuer: Certificate, at: datetime, crls: Sequence[RevocationList]
    ) -> None:
        newest = _newest_list(issuer, crls)
        if newest is None:
            if self._revocation_required:
                raise InvalidCertificate("crl_missing", "there is no revocation list of the issuer")
            return
        _require_usable_list(newest, issuer, at)
        try:
            self._prove_once(issuer, newest)
        except InvalidSignature:
            raise InvalidCertificate("crl_signature", "the issuer has not signed the revocation list") from None
        if issued.serial in newest.revoked:  # whenever it was: a revoked key may have signed with any date
            raise InvalidCertificate("certificate_revoked", "the issuer has revoked the certificate")

    def _prove_once(self, issuer: Certificate, signed: Certificate | RevocationList) -> None:
        proof = (issuer.public_key, signed.fingerprint)
        if proof in self._proved:
            return
        self._verifier(issuer).verify(signed.tbs, signed.signature)
        if len(self._proved) >= MAX_REMEMBERED:
            self._proved.clear()
        self._proved.add(proof)

    def _verifier(self, issuer: Certificate) -> Verifier:
        """Only authorities that are themselves proved come here: nobody else can fill the memory."""
        verifier = self._verifiers.get(issuer.public_key)
        if verifier is None:
            if len(self._verifiers) >= MAX_REMEMBERED:
                self._verifiers.clear()
            verifier = self._verifiers[issuer.public_key] = self._provider.verifier(issuer.public_key)
        return verifier


def _paths_up(path: Path, intermediates: Path, roots: Path) -> Iterator[Path]:
    """Find the ways from a leaf to a root by names and key ids alone."""
    top = path[-1]
    for root in roots:
        if _may_have_issued(root, top):
            yield (*path, root)
    if len(path) + 1 >= MAX_CHAIN:
        return
    for candidate in intermediates:
        if candidate not in path and _may_have_issued(candidate, top):
            yield from _paths_up((*path, candidate), intermediates, roots)


def _may_have_issued(issuer: Certificate, issued: Certificate) -> bool:
    named, own = issued.extensions.authority_key_id, issuer.extensions.subject_key_id
    return issuer.subject == issued.issuer and (named is None or own is None or named == own)


def _require_leaf(leaf: Certificate, purpose: str | None) -> None:
    if leaf.is_ca:
        raise InvalidCertificate("certificate_is_ca", "an authority's certificate is no leaf")
    if "digital_signature" not in leaf.key_usage:
        raise InvalidCertificate("certificate_key_usage", "the key may not sign")
    if purpose is not None and purpose not in (leaf.extensions.extended_key_usage or ()):
        raise InvalidCertificate("certificate_purpose", "the certificate is for another purpose")


def _require_in_dates(certificate: Certificate, at: datetime) -> None:
    if at < certificate.not_before:
        raise InvalidCertificate("certificate_not_yet_valid", "the certificate is not valid yet")
    if at >= certificate.not_after:
        raise InvalidCertificate("certificate_expired", "the certificate has expired")


def _require_known_extensions(certificate: Certificate) -> None:
    if certificate.extensions.unknown_critical:
        raise InvalidCertificate("certificate_critical_extension", "a critical extension is not understood")


def _require_authority(certificate: Certificate, below: int) -> None:
    """Refuse a key that may not issue, or not with so many authorities below it (RFC 5280, 6.1.4 k to n)."""
    if not certificate.is_ca:
        raise InvalidCertificate("certificate_not_ca", "the issuer is no authority")
    if "key_cert_sign" not in certificate.key_usage:
        raise InvalidCertificate("certificate_key_usage", "the issuer's key may not sign certificates")
    if certificate.path_length is not None and below > certificate.path_length:
        raise InvalidCertificate("certificate_path_length", "too many authorities stand below the issuer")


def _newest_list(issuer: Certificate, crls: Sequence[RevocationList]) -> RevocationList | None:
    own = [crl for crl in crls if _is_list_of(issuer, crl)]
    return max(own, key=lambda crl: (crl.number, crl.this_update), default=None)


def _is_list_of(issuer: Certificate, crl: RevocationList) -> bool:
    named, own = crl.authority_key_id, issuer.extensions.subject_key_id
    return crl.issuer == issuer.subject and (named is None or own is None or named == own)


def _require_usable_list(crl: RevocationList, issuer: Certificate, at: datetime) -> None:
    if "crl_sign" not in issuer.key_usage:
        raise InvalidCertificate("crl_issuer", "the issuer's key may not sign revocation lists")
    if crl.unknown_critical:
        raise InvalidCertificate("crl_critical_extension", "a critical extension of the list is not understood")
    if at < crl.this_update:
        raise InvalidCertificate("crl_not_yet_valid", "the revocation list is not valid yet")
    if at >= crl.next_update:
        raise InvalidCertificate("crl_stale", "the revocation list is stale: fetch the next one")
