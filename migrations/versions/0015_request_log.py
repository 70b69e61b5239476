"""requests of channels, for their own developers"""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('channel_requests',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('arrived_at', sa.BigInteger(), nullable=False),
    sa.Column('method', sa.String(length=10), nullable=False),
    sa.Column('route', sa.String(length=200), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=60), nullable=True),
    sa.Column('algorithm', sa.String(length=20), nullable=False),
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_channel_requests')),
    sa.UniqueConstraint('id', name=op.f('uq_channel_requests_id'))
    )
    op.create_index(op.f('ix_channel_requests_arrived_at'), 'channel_requests', ['arrived_at'], unique=False)
    op.create_index('ix_channel_requests_channel', 'channel_requests', ['channel', 'number'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_channel_requests_channel', table_name='channel_requests')
    op.drop_index(op.f('ix_channel_requests_arrived_at'), table_name='channel_requests')
    op.drop_table('channel_requests')
