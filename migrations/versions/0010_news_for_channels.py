"""news for channels"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('news',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('card', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.BigInteger(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('happened_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_news_channel')),
    sa.PrimaryKeyConstraint('channel', 'position', name=op.f('pk_news')),
    sa.UniqueConstraint('channel', 'card', 'sequence', name=op.f('uq_news_channel_card_sequence')),
    sa.UniqueConstraint('channel', 'id', name=op.f('uq_news_channel_id'))
    )
    op.create_table('news_counts',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=64), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_news_counts_channel')),
    sa.PrimaryKeyConstraint('channel', 'card', name=op.f('pk_news_counts'))
    )
    op.create_table('news_endpoints',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('url', sa.String(length=500), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('paused_until', sa.BigInteger(), nullable=False),
    sa.Column('added_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_news_endpoints_channel')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_news_endpoints')),
    sa.UniqueConstraint('channel', 'url', name=op.f('uq_news_endpoints_channel_url'))
    )
    op.create_table('news_deliveries',
    sa.Column('endpoint', sa.String(length=40), nullable=False),
    sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['endpoint'], ['news_endpoints.id'], name=op.f('fk_news_deliveries_endpoint')),
    sa.PrimaryKeyConstraint('endpoint', 'position', name=op.f('pk_news_deliveries'))
    )
    op.create_index('ix_news_deliveries_state', 'news_deliveries', ['state', 'changed_at'], unique=False)
    op.create_index('ix_news_deliveries_waiting', 'news_deliveries', ['endpoint', 'next_at'], unique=False, postgresql_where=sa.text("state = 'waiting'"), sqlite_where=sa.text("state = 'waiting'"))


def downgrade() -> None:
    op.drop_index('ix_news_deliveries_waiting', table_name='news_deliveries', postgresql_where=sa.text("state = 'waiting'"), sqlite_where=sa.text("state = 'waiting'"))
    op.drop_index('ix_news_deliveries_state', table_name='news_deliveries')
    op.drop_table('news_deliveries')
    op.drop_table('news_endpoints')
    op.drop_table('news_counts')
    op.drop_table('news')
