"""the password of the e-card"""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('card_passwords',
    sa.Column('holder', sa.String(length=40), nullable=False),
    sa.Column('salt', sa.String(length=32), nullable=False),
    sa.Column('mac', sa.String(length=64), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('tries_in_all', sa.Integer(), nullable=False),
    sa.Column('locked_until', sa.BigInteger(), nullable=True),
    sa.Column('set_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['holder'], ['holders.id'], name=op.f('fk_card_passwords_holder')),
    sa.PrimaryKeyConstraint('holder', name=op.f('pk_card_passwords'))
    )


def downgrade() -> None:
    op.drop_table('card_passwords')
