"""tables of the authorization server"""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('authorization_codes',
    sa.Column('handle', sa.String(length=64), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('grant_id', sa.String(length=40), nullable=False),
    sa.Column('redirect_uri', sa.String(length=500), nullable=False),
    sa.Column('code_challenge', sa.String(length=43), nullable=False),
    sa.Column('thumbprint', sa.String(length=43), nullable=True),
    sa.Column('nonce', sa.String(length=256), nullable=True),
    sa.Column('issued_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('spent_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('handle', name=op.f('pk_authorization_codes'))
    )
    op.create_index(op.f('ix_authorization_codes_expires_at'), 'authorization_codes', ['expires_at'], unique=False)
    op.create_table('interactions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('browser', sa.String(length=64), nullable=False),
    sa.Column('pushed', sa.String(length=64), nullable=True),
    sa.Column('parameters', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('begun_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_interactions')),
    sa.UniqueConstraint('pushed', 'browser', name=op.f('uq_interactions_pushed_browser'))
    )
    op.create_index(op.f('ix_interactions_expires_at'), 'interactions', ['expires_at'], unique=False)
    op.create_table('oauth_clients',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('profile', sa.String(length=20), nullable=False),
    sa.Column('name_zh', sa.String(length=100), nullable=False),
    sa.Column('name_en', sa.String(length=100), nullable=False),
    sa.Column('authentication', sa.String(length=30), nullable=False),
    sa.Column('tls_subject', sa.String(length=400), nullable=True),
    sa.Column('redirect_uris', sa.JSON(), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('audiences', sa.JSON(), nullable=False),
    sa.Column('resource', sa.String(length=200), nullable=True),
    sa.Column('sector', sa.String(length=200), nullable=False),
    sa.Column('dpop', sa.Boolean(), nullable=False),
    sa.Column('standing', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_clients'))
    )
    op.create_table('oauth_grants',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=True),
    sa.Column('device', sa.String(length=40), nullable=True),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('resources', sa.JSON(), nullable=False),
    sa.Column('acr', sa.String(length=8), nullable=False),
    sa.Column('amr', sa.JSON(), nullable=False),
    sa.Column('authenticated_at', sa.BigInteger(), nullable=False),
    sa.Column('granted_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_because', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_grants'))
    )
    op.create_index(op.f('ix_oauth_grants_card_client'), 'oauth_grants', ['card', 'client'], unique=False)
    op.create_index(op.f('ix_oauth_grants_device'), 'oauth_grants', ['device'], unique=False)
    op.create_index(op.f('ix_oauth_grants_expires_at'), 'oauth_grants', ['expires_at'], unique=False)
    op.create_table('pushed_requests',
    sa.Column('handle', sa.String(length=64), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('parameters', sa.JSON(), nullable=False),
    sa.Column('pushed_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('spent_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('handle', name=op.f('pk_pushed_requests'))
    )
    op.create_index(op.f('ix_pushed_requests_expires_at'), 'pushed_requests', ['expires_at'], unique=False)
    op.create_table('refresh_tokens',
    sa.Column('handle', sa.String(length=64), nullable=False),
    sa.Column('grant_id', sa.String(length=40), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('thumbprint', sa.String(length=43), nullable=True),
    sa.Column('issued_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('spent_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('handle', name=op.f('pk_refresh_tokens'))
    )
    op.create_index(op.f('ix_refresh_tokens_expires_at'), 'refresh_tokens', ['expires_at'], unique=False)
    op.create_index(op.f('ix_refresh_tokens_grant_id'), 'refresh_tokens', ['grant_id'], unique=False)
    op.create_table('revoked_tokens',
    sa.Column('jti', sa.String(length=40), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('jti', name=op.f('pk_revoked_tokens'))
    )
    op.create_index(op.f('ix_revoked_tokens_expires_at'), 'revoked_tokens', ['expires_at'], unique=False)
    op.create_table('oauth_client_keys',
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('kid', sa.String(length=64), nullable=False),
    sa.Column('jwk', sa.JSON(), nullable=True),
    sa.Column('secret', sa.String(length=64), nullable=True),
    sa.Column('not_before', sa.BigInteger(), nullable=False),
    sa.Column('not_after', sa.BigInteger(), nullable=False),
    sa.Column('withdrawn_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['client'], ['oauth_clients.id'], name=op.f('fk_oauth_client_keys_client')),
    sa.PrimaryKeyConstraint('client', 'kid', name=op.f('pk_oauth_client_keys'))
    )


def downgrade() -> None:
    op.drop_table('oauth_client_keys')
    op.drop_index(op.f('ix_revoked_tokens_expires_at'), table_name='revoked_tokens')
    op.drop_table('revoked_tokens')
    op.drop_index(op.f('ix_refresh_tokens_grant_id'), table_name='refresh_tokens')
    op.drop_index(op.f('ix_refresh_tokens_expires_at'), table_name='refresh_tokens')
    op.drop_table('refresh_tokens')
    op.drop_index(op.f('ix_pushed_requests_expires_at'), table_name='pushed_requests')
    op.drop_table('pushed_requests')
    op.drop_index(op.f('ix_oauth_grants_expires_at'), table_name='oauth_grants')
    op.drop_index(op.f('ix_oauth_grants_device'), table_name='oauth_grants')
    op.drop_index(op.f('ix_oauth_grants_card_client'), table_name='oauth_grants')
    op.drop_table('oauth_grants')
    op.drop_table('oauth_clients')
    op.drop_index(op.f('ix_interactions_expires_at'), table_name='interactions')
    op.drop_table('interactions')
    op.drop_index(op.f('ix_authorization_codes_expires_at'), table_name='authorization_codes')
    op.drop_table('authorization_codes')
