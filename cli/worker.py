import signal
from threading import Event

import click

from cli.opening import opened_runtime
from web.worker import Worker


@click.command()
@click.option("--once", is_flag=True, help="Do what is waiting and end.")
@click.option("--pause", type=click.FloatRange(0.01, 60), default=0.2, show_default=True, help="Seconds between looks.")
def worker(*, once: bool, pause: float) -> None:
    """Tell phones and channels what happened, make statements, seal the audit trail, clear what is over.

    Several may run at once.
    """
    with opened_runtime() as runtime:
        if once:
            _work_off(Worker(runtime))
            return
        stopping = Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopping.set())
        Worker(runtime).run(stopping, pause=pause)


def _work_off(worker: Worker) -> None:
    while worker.tell() + worker.make_statement() + worker.seal() + worker.deliver():
        pass
    worker.clean()
