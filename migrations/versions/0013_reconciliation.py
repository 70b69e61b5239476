"""statements and their comparison"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('statements',
    sa.Column('institution', sa.String(length=40), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('row_count', sa.Integer(), nullable=False),
    sa.Column('sm3', sa.String(length=64), nullable=False),
    sa.Column('signature', sa.Text(), nullable=False),
    sa.Column('made_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['institution'], ['institutions.id'], name=op.f('fk_statements_institution')),
    sa.PrimaryKeyConstraint('institution', 'day', name=op.f('pk_statements'))
    )
    op.add_column('redemptions', sa.Column('recorded_at', sa.BigInteger(), server_default='0', nullable=False))
    # an offline one was recorded when its signed request came in; where that proof is deleted, its own time must do
    op.execute(
        'UPDATE redemptions SET recorded_at = COALESCE((SELECT s.received_at FROM signed_requests s'
        " WHERE redemptions.mode = 'offline' AND s.party = redemptions.terminal AND s.nonce = redemptions.request_nonce),"
        ' redeemed_at)'
    )
    op.create_index('ix_redemptions_recorded', 'redemptions', ['institution', 'recorded_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_redemptions_recorded', table_name='redemptions')
    op.drop_column('redemptions', 'recorded_at')
    op.drop_table('statements')
