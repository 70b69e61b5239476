"""From a command to a ceremony: propose the plan, or check and carry out the one that was approved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.key_store_options import FILE, StorePlace, read_file, warn
from sm.ceremony import (
    MAX_APPROVAL_SIZE,
    MAX_PLAN_SIZE,
    Approval,
    Plan,
    propose,
    read_approval,
    read_plan,
    write_plan,
)
from sm.ceremony_log import LOG_FILE, CeremonyLog, Result, carry_out
from sm.errors import CeremonyRefused
from sm.keystore import FileKeyStore

HOW = (
    "in production two operators approve: write the plan with --dry-run into a file, let each of them run"
    " `ecard keys approve`, then repeat the command with --plan and --approval twice"
)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Act:
    """What a command is about to do, in the words of a plan."""

    action: str
    details: Mapping[str, str]


@dataclass(frozen=True)
class GivenApprovals:
    """What the operator has put on the command line."""

    dry_run: bool
    plan: Path | None
    approvals: tuple[Path, ...]


def ceremony_options(command: Command) -> Command:
    """Give a command the options by which it is approved."""
    for option in (
        click.option("--approval", "approvals", type=FILE, multiple=True, help="An operator's approval; give two."),
        click.option("--plan", type=FILE, help="The plan that was approved."),
        click.option("--dry-run", is_flag=True, help="Only write the plan, to be approved."),
    ):
        command = option(command)
    return command


def given_approvals(options: dict[str, Any]) -> GivenApprovals:
    """Take the options of `ceremony_options` out of `options`."""
    return GivenApprovals(options.pop("dry_run"), options.pop("plan"), options.pop("approvals"))


def open_log(store: FileKeyStore, place: StorePlace) -> CeremonyLog:
    """Open the ceremony log that lies beside the keys."""
    return CeremonyLog(store.directory / LOG_FILE, store, place.provider)


def conduct(
    store: FileKeyStore, place: StorePlace, act: Act, given: GivenApprovals, effect: Callable[[], Result]
) -> Result | None:
    """Write the plan and do nothing (None), or carry it out and tell the result."""
    log, now = open_log(store, place), place.clock()
    proposed = propose(store=store.identifier, action=act.action, details=act.details, previous=log.head(), now=now)
    if given.dry_run:
        show_plan(proposed)
        return None
    if given.plan is None:
        _require_development(store.environment)
        return carry_out(log, proposed, (), now, effect)
    return carry_out(log, read_approved_plan(given, proposed), read_approvals(given), now, effect)


def read_approved_plan(given: GivenApprovals, proposed: Plan) -> Plan:
    """Read the plan that was approved; refuse one that says something else than what the command is about to do."""
    if given.plan is None:
        raise CeremonyRefused(HOW)
    plan = read_plan(read_file(given.plan, MAX_PLAN_SIZE))
    if (plan.action, dict(plan.details)) != (proposed.action, dict(proposed.details)):
        raise CeremonyRefused("the plan is for something else, or things have changed since: propose it again")
    return plan


def read_approvals(given: GivenApprovals) -> list[Approval]:
    """Read the approvals; nothing about them is proved yet."""
    return [read_approval(read_file(path, MAX_APPROVAL_SIZE)) for path in given.approvals]


def show_plan(plan: Plan) -> None:
    """Write a plan to standard output, as it is to be approved."""
    click.echo(write_plan(plan).decode("ascii"))


def first_plan(details: Mapping[str, str], now: datetime) -> Plan:
    """Propose the creation of a store that is not there yet: it has no name and no log to continue."""
    return propose(store="", action="create", details=details, previous="", now=now)


def _require_development(environment: str) -> None:
    if environment == "production":
        raise CeremonyRefused(HOW)
    warn("development keys: nobody has to approve this")
