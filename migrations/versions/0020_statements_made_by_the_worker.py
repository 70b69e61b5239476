"""statements made by the worker and kept in parts"""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('statement_days',
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('planned_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_statement_days'))
    )
    op.create_table('statement_makings',
    sa.Column('owner', sa.String(length=40), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('owner', 'day', name=op.f('pk_statement_makings'))
    )
    op.create_table('statement_files',
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('owner', sa.String(length=40), nullable=False),
    sa.Column('parts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'owner', name=op.f('pk_statement_files'))
    )
    op.create_table('statement_parts',
    sa.Column('day', sa.String(length=10), nullable=False),
    sa.Column('owner', sa.String(length=40), nullable=False),
    sa.Column('part', sa.Integer(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('day', 'owner', 'part', name=op.f('pk_statement_parts'))
    )


def downgrade() -> None:
    op.drop_table('statement_parts')
    op.drop_table('statement_files')
    op.drop_table('statement_makings')
    op.drop_table('statement_days')
