"""`ecard story`: what `make run` shows."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from rich.console import Console

from cli import Failed
from cli.opening import configure_quietly
from cli.story.city import (
    Town,
    invent_person,
    keystore_secret,
    make_chip_card,
    open_city,
    prepare_hsm,
    prepare_keys,
    settle_public_service,
    settle_town,
)
from cli.story.login import log_in
from cli.story.partner_bank import choose_bank_place, settle_bank, start_bank
from cli.story.partner_wallet import is_wallet_there, play_in_wallet, settle_wallet, start_wallet
from cli.story.partners import play_in_bank
from cli.story.play import Play, enroll, keep_for_demo, look_back, open_play, show_and_redeem
from cli.story.reading import opened_reader
from cli.story.stage import Stage, choose_port, held_home, opened_stage, read_line
from cli.story.telling import Teller
from physical.chip.files import HolderData
from web.runtime import Runtime

_PIN = b"271828"
_PORT = 8460


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default="var",
    show_default=True,
    help="Keys, database and logs of the development city; delete it to begin anew.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=_PORT, show_default=True, help="Another one if it is taken."
)
@click.option("--once", is_flag=True, help="Play and end, instead of staying up until Ctrl-C.")
@click.option("--in-process", is_flag=True, help="Do not use PC/SC even where it is there.")
@click.option("--partners", is_flag=True, help="Play on in the apps of a partner bank and a wallet.")
def story(*, home: Path, port: int, once: bool, in_process: bool, partners: bool) -> None:
    """Play the main job on this machine: chip card, phone, electronic card, code, pharmacy.

    Starts a card HSM, the service, the worker, a virtual card reader under a private PC/SC daemon, and the agent, plays
    the story once and stays up, so that the API can be tried. Everything is for development: nothing of it starts in
    production.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    teller = Teller(Console(highlight=False))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    begun = time.monotonic()
    with held_home(home), _running_city(home, choose_port(port), teller) as city:
        holder = invent_person()
        card = make_chip_card(city.runtime, home, city.hsm, _PIN, holder)
        with (
            opened_reader(city.stage, card, teller.note, allowed=not in_process) as reader,
            httpx.Client(base_url=city.address, timeout=10, trust_env=False) as http,
        ):
            play = open_play(city.address, http, teller, city.town, home)
            enroll(play, reader.start_agent(city.stage, city.address, city.town.desk, _PIN))
            show_and_redeem(play)
            log_in(play, settle_public_service(city.runtime, home))
            look_back(play)
            keep_for_demo(play)
            addresses = _play_with_partners(city, play, holder) if partners else []
            _check_audit(city.runtime, teller)
            _end(city.stage, play, addresses, once=once, seconds=time.monotonic() - begun)


@dataclass(frozen=True)
class _City:
    """What runs, and the parts that the story itself needs to fill the register and to make a chip card."""

    stage: Stage
    address: str
    runtime: Runtime
    town: Town
    hsm: tuple[Path, str, str]


@contextmanager
def _running_city(home: Path, port: int, teller: Teller) -> Iterator[_City]:
    address, hsm, secret = f"http://127.0.0.1:{port}", prepare_hsm(home), keystore_secret(home)
    teller.step("准备", "keys of three levels, database, card HSM, service, worker")
    prepare_keys(home, secret)
    environment = {
        "ECARD_ENVIRONMENT": "development",
        "ECARD_HOME": str(home),
        "ECARD_KEYSTORE_SECRET": secret,
        "ECARD_ISSUER": address,
        "ECARD_LISTEN_PORT": str(port),
        "ECARD_CARD_HSM_LINK_KEY": hsm[2],
    }
    with opened_stage(home, environment) as stage:
        environment["ECARD_CARD_HSM"] = f"127.0.0.1:{_start_hsm(stage, hsm)}"
        stage.environment = {**stage.environment, **environment}
        runtime = open_city(configure_quietly(environment))
        stage.start("service", [sys.executable, "-m", "cli", "serve"])
        stage.start("worker", [sys.executable, "-m", "cli", "worker", "--pause", "0.1"])
        town = settle_town(runtime, home)
        stage.wait_ready(address)
        teller.checked(f"up at {address}; data and logs in {home}")
        yield _City(stage, address, runtime, town, hsm)
        runtime.close()


def _start_hsm(stage: Stage, hsm: tuple[Path, str, str]) -> int:
    folder, secret, _ = hsm
    command = [sys.executable, "-m", "physical.soft_hsm", "--keys", str(folder), "--port", "0"]
    process = stage.start("card-hsm", command, stdout=True, extra={"ECARD_KEYSTORE_SECRET": secret})
    ready = read_line(process)
    if "port" not in ready:
        raise Failed(f"the card HSM did not start; see {stage.home / 'log' / 'card-hsm.log'}")
    return int(str(ready["port"]))


def _check_audit(runtime: Runtime, teller: Teller) -> None:
    teller.step("审计", "the audit trail is walked from its beginning")
    with runtime.ground.database.transaction() as connection:
        report = runtime.ground.audit.check(connection)
    if report.faults:
        raise Failed(f"the audit trail has {len(report.faults)} faults")
    teller.checked(f"{report.sealed} entries sealed, {report.unsealed} waiting; nothing changed, removed or reordered")


def _play_with_partners(city: _City, play: Play, holder: HolderData) -> list[str]:
    """Let a bank and a wallet into the city and play on in their apps; return what to tell of them at the end."""
    other, ministry = invent_person(), play.home / "keys" / "certificates" / "ministry.pem"
    make_chip_card(city.runtime, play.home / "partners", city.hsm, _PIN, other)
    place = choose_bank_place(play.home, play.address)
    customers = settle_bank(city.runtime, ministry, place, (holder, other))
    start_bank(city.stage, place)
    play_in_bank(play, place, *customers)
    shown = [f"The bank's app: {place.front} (the certificate is its own: the browser will ask)"]
    if not is_wallet_there():
        return [*shown, "The wallet was not started: deploy/bootstrap.sh partners installs Node and its packages"]
    wallet = settle_wallet(city.runtime, ministry, play.home, play.address)
    start_wallet(city.stage, wallet)
    play_in_wallet(play, wallet)
    return [*shown, f"The wallet's app: {wallet.front} (sign in as demo, password demo)"]


def _end(stage: Stage, play: Play, addresses: list[str], *, once: bool, seconds: float) -> None:
    console = play.teller.console
    console.print(f"\n[bold green]完成 · done[/] in {seconds:.1f} s.")
    if once:
        return
    console.print(f"API documentation: {play.address}/docs/   OpenAPI: {play.address}/openapi.json")
    console.print(f"Your account as the holder: {play.address}/account, then .venv/bin/ecard demo login CODE")
    for address in addresses:
        console.print(address)
    console.print("Go on by hand in another terminal: .venv/bin/ecard demo --help")
    console.print("Ctrl-C ends everything.")
    try:
        while True:
            stage.require_running()
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("\nending …")
