"""cards carried in the apps of channels"""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('card_faces',
    sa.Column('card_index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('link', sa.String(length=40), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['card'], ['electronic_cards.id'], name=op.f('fk_card_faces_card')),
    sa.PrimaryKeyConstraint('card_index', name=op.f('pk_card_faces'))
    )
    op.create_index(op.f('ix_card_faces_card'), 'card_faces', ['card'], unique=False)
    op.create_table('carriages',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('link', sa.String(length=40), nullable=False),
    sa.Column('face', sa.BigInteger(), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('result', sa.String(length=3), nullable=False),
    sa.Column('out_request_no', sa.String(length=64), nullable=False),
    sa.Column('signed_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('payment_opened_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_carriages_channel')),
    sa.ForeignKeyConstraint(['card'], ['electronic_cards.id'], name=op.f('fk_carriages_card')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_carriages')),
    sa.UniqueConstraint('id', name=op.f('uq_carriages_id')),
    sa.UniqueConstraint('channel', 'card', name=op.f('uq_carriages_channel_card'))
    )
    op.create_index(op.f('ix_carriages_card'), 'carriages', ['card'], unique=False)
    op.create_index(op.f('ix_carriages_link'), 'carriages', ['link'], unique=False)
    op.create_table('business_keys',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('out_request_no', sa.String(length=64), nullable=False),
    sa.Column('act', sa.String(length=40), nullable=False),
    sa.Column('request', sa.String(length=64), nullable=False),
    sa.Column('answer', sa.JSON(), nullable=True),
    sa.Column('first_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_business_keys_channel')),
    sa.PrimaryKeyConstraint('channel', 'out_request_no', name=op.f('pk_business_keys'))
    )
    op.add_column('redemptions', sa.Column('channel', sa.String(length=40), nullable=True))
    op.create_index('ix_redemptions_channel', 'redemptions', ['channel', 'recorded_at'], unique=False,
        postgresql_where=sa.text('channel IS NOT NULL'), sqlite_where=sa.text('channel IS NOT NULL'))


def downgrade() -> None:
    op.drop_index('ix_redemptions_channel', table_name='redemptions')
    op.drop_column('redemptions', 'channel')
    op.drop_table('business_keys')
    op.drop_index(op.f('ix_carriages_link'), table_name='carriages')
    op.drop_index(op.f('ix_carriages_card'), table_name='carriages')
    op.drop_table('carriages')
    op.drop_index(op.f('ix_card_faces_card'), table_name='card_faces')
    op.drop_table('card_faces')
