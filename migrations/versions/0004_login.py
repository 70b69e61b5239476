"""login by the bound phone"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('account_sessions',
    sa.Column('handle', sa.String(length=64), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('device', sa.String(length=40), nullable=False),
    sa.Column('begun_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('handle', name=op.f('pk_account_sessions'))
    )
    op.create_index(op.f('ix_account_sessions_expires_at'), 'account_sessions', ['expires_at'], unique=False)
    op.create_table('consents',
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('agreed_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('card', 'client', name=op.f('pk_consents'))
    )
    op.create_index(op.f('ix_consents_expires_at'), 'consents', ['expires_at'], unique=False)
    op.create_table('logins',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('browser', sa.String(length=64), nullable=False),
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('reference', sa.String(length=64), nullable=False),
    sa.Column('needed_level', sa.String(length=8), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=True),
    sa.Column('device', sa.String(length=40), nullable=True),
    sa.Column('wrong_numbers', sa.Integer(), server_default='0', nullable=False),
    sa.Column('acr', sa.String(length=8), nullable=True),
    sa.Column('amr', sa.JSON(), nullable=True),
    sa.Column('authenticated_at', sa.BigInteger(), nullable=True),
    sa.Column('begun_at', sa.BigInteger(), nullable=False),
    sa.Column('seen_at', sa.BigInteger(), nullable=True),
    sa.Column('approved_at', sa.BigInteger(), nullable=True),
    sa.Column('confirmed_at', sa.BigInteger(), nullable=True),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_because', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_logins')),
    sa.UniqueConstraint('code', name=op.f('uq_logins_code'))
    )
    op.create_index(op.f('ix_logins_device'), 'logins', ['device'], unique=False)
    op.create_index(op.f('ix_logins_expires_at'), 'logins', ['expires_at'], unique=False)
    op.create_index('uq_logins_open', 'logins', ['browser', 'purpose', 'reference'], unique=True, postgresql_where=sa.text('ended_at IS NULL'), sqlite_where=sa.text('ended_at IS NULL'))
    op.add_column('devices', sa.Column('proven_at', sa.BigInteger(), server_default='0', nullable=False))
    op.execute('UPDATE devices SET proven_at = bound_at')


def downgrade() -> None:
    op.drop_column('devices', 'proven_at')
    op.drop_index('uq_logins_open', table_name='logins', postgresql_where=sa.text('ended_at IS NULL'), sqlite_where=sa.text('ended_at IS NULL'))
    op.drop_index(op.f('ix_logins_expires_at'), table_name='logins')
    op.drop_index(op.f('ix_logins_device'), table_name='logins')
    op.drop_table('logins')
    op.drop_index(op.f('ix_consents_expires_at'), table_name='consents')
    op.drop_table('consents')
    op.drop_index(op.f('ix_account_sessions_expires_at'), table_name='account_sessions')
    op.drop_table('account_sessions')
