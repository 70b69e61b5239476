"""What the channels' flows are handed by ``web.runtime``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from channels.carriers import Pseudonym
from channels.destinations import Resolver
from channels.in_hand import InHand
from channels.news_signing import NewsKeys
from channels.posting import Post
from core.ground import Ground
from qr.desk import CodeDesk
from sm.answer_keys import AnswerKeys
from sm.certificates import Certificate
from sm.sm2 import Provider

IssueCertificate = Callable[[str, bytes, datetime, datetime], Certificate]
"""Let the city certify a partner's key: common name, public key (64 bytes), from when, until when."""
VerifyCertificate = Callable[[Certificate, datetime], Certificate]
"""Give back a partner's certificate that may be believed now; raises ``InvalidCertificate``."""


@dataclass(frozen=True)
class ChannelDesk:
    """What the register needs beside the ground.

    ``operators`` are the names and keys of those who may propose and approve, as the key store registers them;
    ``answer_keys`` the keys that sign what channels are told, ``authorities`` the certificates from the city's to the
    root's that prove them.
    """

    ground: Ground
    provider: Provider
    operators: Callable[[], Mapping[str, bytes]]
    issue_certificate: IssueCertificate
    verify_certificate: VerifyCertificate
    answer_keys: Callable[[], AnswerKeys]
    authorities: Callable[[], Sequence[Certificate]]


@dataclass(frozen=True)
class CarriageDesk:
    """What the card inside partners' apps needs beside the ground."""

    ground: Ground
    name: Pseudonym
    codes: CodeDesk


@dataclass(frozen=True)
class NewsDesk:
    """What the news for channels needs beside the ground.

    ``share`` draws a number from 0 to 1, by which tries are spread; ``resolve`` and ``post`` are the network, and
    ``hang_up`` closes the connections that it keeps. ``in_hand`` are the addresses that this process is sending to.
    """

    ground: Ground
    keys: Callable[[], NewsKeys]
    name: Pseudonym
    resolve: Resolver
    post: Post
    hang_up: Callable[[], None]
    share: Callable[[], float]
    in_hand: InHand = field(default_factory=InHand)
