"""Limits of logging in, counted in the database: neither Redis nor another worker makes them forget."""

from auth.login.desk import LoginDesk
from auth.login.errors import LoginLimit, WrongCodeLimit

_HOUR = 3600
_HOLDER = "login-holder"


def require_few_wrong_codes(desk: LoginDesk, device: str, address: str | None) -> None:
    """Refuse a phone, or a network, that has shown too many codes that were nobody's; raises ``WrongCodeLimit``."""
    settings = desk.ground.settings
    limits = {_of_device(device): settings.wrong_login_codes_per_phone_hour}
    if address:
        limits[_of_address(desk, address)] = settings.wrong_login_codes_per_address_hour
    for counted, most in limits.items():
        if desk.counts.counted(counted) >= most:
            raise WrongCodeLimit(f"more than {most} in an hour", retry_after=_HOUR)


def count_wrong_code(desk: LoginDesk, device: str, address: str | None) -> None:
    """Count a code that was nobody's; the refusal that follows must keep it."""
    desk.counts.count(_of_device(device), _HOUR)
    if address:
        desk.counts.count(_of_address(desk, address), _HOUR)


def count_approval(desk: LoginDesk, holder: str) -> None:
    """Count an approval for the holder, whichever card and phone it came from; raises ``LoginLimit``.

    ``holder`` is the blind index of ``CardState``.
    """
    most = desk.ground.settings.logins_per_holder_hour
    if desk.counts.count(f"login:holder:{desk.stored.handle(_HOLDER, holder)}", _HOUR) > most:
        raise LoginLimit(f"logins_per_holder_hour: {most}", retry_after=_HOUR)


def _of_device(device: str) -> str:
    return f"login:wrong-codes:{device}"


def _of_address(desk: LoginDesk, address: str) -> str:
    return f"login:wrong-codes:{desk.stored.handle('login-address', address)}"
