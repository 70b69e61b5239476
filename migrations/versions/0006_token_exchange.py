"""links that a partner comes back to"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('oauth_grants', sa.Column('subject', sa.String(length=64), nullable=True))
    op.create_index(op.f('ix_oauth_grants_subject_client'), 'oauth_grants', ['subject', 'client'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_oauth_grants_subject_client'), table_name='oauth_grants')
    op.drop_column('oauth_grants', 'subject')
