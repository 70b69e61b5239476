"""the time in the sandboxes of channels"""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sandbox_clocks',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('ahead_seconds', sa.Integer(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_sandbox_clocks_channel')),
    sa.PrimaryKeyConstraint('channel', name=op.f('pk_sandbox_clocks'))
    )


def downgrade() -> None:
    op.drop_table('sandbox_clocks')
