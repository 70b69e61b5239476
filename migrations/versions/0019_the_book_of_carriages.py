"""the book of carriages, of which a channel's statement is made beside its codes"""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

_OPEN_LINK = sa.text('subject IS NOT NULL AND ended_at IS NULL')


def upgrade() -> None:
    op.create_table('carriage_records',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('result', sa.String(length=40), nullable=False),
    sa.Column('recorded_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_carriage_records')),
    sa.UniqueConstraint('channel', 'id', name=op.f('uq_carriage_records_channel_id'))
    )
    op.create_index(op.f('ix_carriage_records_card'), 'carriage_records', ['card'], unique=False)
    op.create_index('ix_carriage_records_recorded', 'carriage_records', ['channel', 'recorded_at'], unique=False)
    op.create_index('ix_oauth_grants_open_links', 'oauth_grants', ['expires_at'], unique=False,
        postgresql_where=_OPEN_LINK, sqlite_where=_OPEN_LINK)
    # what was told already and names its carriage or its link; what waits in the outbox is entered when it is told
    op.execute(
        'INSERT INTO carriage_records (channel, id, kind, card, result, recorded_at)'
        " SELECT COALESCE(o.content ->> 'channel', c.channel), o.id,"
        " CASE o.kind WHEN 'link.ended' THEN 'carriage.ended' ELSE o.kind END, o.card,"
        " COALESCE(o.content ->> 'result', o.content ->> 'because', ''), o.happened_at"
        " FROM outbox o LEFT JOIN carriages c ON o.kind = 'link.ended' AND c.link = o.content ->> 'grant'"
        " WHERE o.told_at IS NOT NULL AND o.card IS NOT NULL"
        " AND (o.kind IN ('carriage.signed', 'carriage.suspended', 'carriage.resumed') OR c.id IS NOT NULL)"
        ' ORDER BY o.number'
    )
    # their form is another one from now on, and no version with the one before was ever handed out
    op.execute('DELETE FROM statements WHERE owner IN (SELECT id FROM channels)')


def downgrade() -> None:
    op.execute('DELETE FROM statements WHERE owner IN (SELECT id FROM channels)')
    op.drop_index('ix_oauth_grants_open_links', table_name='oauth_grants')
    op.drop_table('carriage_records')
