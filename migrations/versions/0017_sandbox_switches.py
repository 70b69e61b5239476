"""switches by which the service fails on purpose"""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sandbox_switches',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('about', sa.String(length=10), nullable=False),
    sa.Column('fault', sa.JSON(), nullable=False),
    sa.Column('remaining', sa.Integer(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_sandbox_switches_channel')),
    sa.PrimaryKeyConstraint('channel', 'about', name=op.f('pk_sandbox_switches'))
    )


def downgrade() -> None:
    op.drop_table('sandbox_switches')
