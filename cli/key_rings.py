"""What the commands on key rings share: how long the next key is announced, and rings in the words of plans."""

from datetime import timedelta

import click

from sm.city_keys import DEVELOPMENT_LEAD, PRODUCTION_LEAD
from sm.keyring import KeyRing, KeyState

LEAD = click.option(
    "--lead",
    type=click.IntRange(1, 30 * 86400),
    help="Seconds for which the next key is announced before it may sign.  [default: a day; in development 5]",
)


def chosen_lead(seconds: int | None, environment: str) -> timedelta:
    """Take the operator's lead, or that of the environment."""
    if seconds is not None:
        return timedelta(seconds=seconds)
    return PRODUCTION_LEAD if environment == "production" else DEVELOPMENT_LEAD


def whole_seconds(lead: timedelta) -> str:
    """Write a lead as plans do."""
    return str(int(lead.total_seconds()))


def told(ring: KeyRing) -> dict[str, str]:
    """Tell the kids by state, as the plans and records of ceremonies do."""
    return {str(state): " ".join(str(key.kid) for key in ring.keys if key.state is state) for state in KeyState}
