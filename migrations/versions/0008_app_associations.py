"""apps that claim addresses of the service"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('client_apps',
    sa.Column('platform', sa.String(length=10), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('fingerprints', sa.JSON(), nullable=False),
    sa.Column('opens_logins', sa.Boolean(), nullable=False),
    sa.Column('added_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['client'], ['oauth_clients.id'], name=op.f('fk_client_apps_client')),
    sa.PrimaryKeyConstraint('platform', 'name', name=op.f('pk_client_apps'))
    )
    op.create_index(op.f('ix_client_apps_client'), 'client_apps', ['client'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_client_apps_client'), table_name='client_apps')
    op.drop_table('client_apps')
