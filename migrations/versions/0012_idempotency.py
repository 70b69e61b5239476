"""answers kept for repeated requests"""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('idempotent_answers',
    sa.Column('handle', sa.String(length=64), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('claim', sa.String(length=40), nullable=False),
    sa.Column('lease_until', sa.BigInteger(), nullable=False),
    sa.Column('answer', sa.LargeBinary(), nullable=True),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('handle', name=op.f('pk_idempotent_answers'))
    )
    op.create_index(op.f('ix_idempotent_answers_expires_at'), 'idempotent_answers', ['expires_at'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_idempotent_answers_expires_at'), table_name='idempotent_answers')
    op.drop_table('idempotent_answers')
