"""chips are known by their historical bytes"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('chip_cards', sa.Column('historical_bytes', sa.String(length=26), nullable=True))


def downgrade() -> None:
    op.drop_column('chip_cards', 'historical_bytes')
