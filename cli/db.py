import click

from cli import Failed
from cli.opening import opened_database
from web.schema import differences, migrate
from web.schema_version import current_revision, head_revision


@click.group()
def db() -> None:
    """Prepare and migrate the database."""


@db.command()
@click.option("--dry-run", is_flag=True, help="Tell from where to where, and change nothing.")
def upgrade(*, dry_run: bool) -> None:
    """Bring the schema to this version's; safe to run again, and from several machines at once."""
    with opened_database() as database:
        before, after = current_revision(database), head_revision()
        if not dry_run:
            migrate(database)
    click.echo(f"{before or 'empty'} -> {after}{' (not done: dry run)' if dry_run else ''}")


@db.command()
def status() -> None:
    """Tell the schema's revision, and whether it is what this version needs."""
    with opened_database() as database:
        found, needed = current_revision(database), head_revision()
        strayed = differences(database) if found == needed else []
    click.echo(f"at {found or 'no revision'}, needs {needed}")
    if found != needed:
        raise Failed("run `ecard db upgrade`")
    if strayed:
        raise Failed(f"the schema was changed by hand: {len(strayed)} differences")
