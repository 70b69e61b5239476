"""the register of channels"""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('channels',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name_zh', sa.String(length=100), nullable=False),
    sa.Column('name_en', sa.String(length=100), nullable=False),
    sa.Column('channel_class', sa.String(length=20), nullable=False),
    sa.Column('above', sa.String(length=40), nullable=True),
    sa.Column('standing', sa.String(length=12), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('algorithms', sa.JSON(), nullable=False),
    sa.Column('requests_per_minute', sa.Integer(), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=True),
    sa.Column('contacts', sa.LargeBinary(), nullable=False),
    sa.Column('applied_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['above'], ['channels.id'], name=op.f('fk_channels_above')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channels')),
    sa.UniqueConstraint('client', name=op.f('uq_channels_client')),
    sa.UniqueConstraint('name_zh', name=op.f('uq_channels_name_zh'))
    )
    op.create_index(op.f('ix_channels_above'), 'channels', ['above'], unique=False)
    op.create_table('channel_certificates',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.Column('public_key', sa.String(length=128), nullable=False),
    sa.Column('certificate', sa.Text(), nullable=False),
    sa.Column('not_before', sa.BigInteger(), nullable=False),
    sa.Column('not_after', sa.BigInteger(), nullable=False),
    sa.Column('added_at', sa.BigInteger(), nullable=False),
    sa.Column('withdrawn_at', sa.BigInteger(), nullable=True),
    sa.Column('warned_on', sa.Integer(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_channel_certificates_channel')),
    sa.PrimaryKeyConstraint('channel', 'serial', name=op.f('pk_channel_certificates')),
    sa.UniqueConstraint('public_key', name=op.f('uq_channel_certificates_public_key')),
    sa.UniqueConstraint('serial', name=op.f('uq_channel_certificates_serial'))
    )
    op.create_table('channel_changes',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('detail', sa.JSON(), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('proposed_by', sa.String(length=40), nullable=False),
    sa.Column('proposal_signature', sa.String(length=128), nullable=True),
    sa.Column('proposed_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('decided_by', sa.String(length=40), nullable=True),
    sa.Column('decision_signature', sa.String(length=128), nullable=True),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_channel_changes_channel')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channel_changes'))
    )
    op.create_index('uq_channel_changes_proposed', 'channel_changes', ['channel', 'kind'], unique=True, postgresql_where=sa.text("state = 'proposed'"), sqlite_where=sa.text("state = 'proposed'"))
    op.add_column('signed_requests', sa.Column('algorithm', sa.String(length=20), server_default='ESSC-SM2-SM3', nullable=False))


def downgrade() -> None:
    op.drop_column('signed_requests', 'algorithm')
    op.drop_index('uq_channel_changes_proposed', table_name='channel_changes', postgresql_where=sa.text("state = 'proposed'"), sqlite_where=sa.text("state = 'proposed'"))
    op.drop_table('channel_changes')
    op.drop_table('channel_certificates')
    op.drop_index(op.f('ix_channels_above'), table_name='channels')
    op.drop_table('channels')
