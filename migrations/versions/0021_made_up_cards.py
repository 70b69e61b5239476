"""made-up cards of channels in the sandbox"""

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('electronic_cards', sa.Column('sandbox', sa.String(length=40), nullable=True))
    op.create_index(
        'ix_electronic_cards_sandbox',
        'electronic_cards',
        ['sandbox'],
        unique=False,
        postgresql_where=sa.text('sandbox IS NOT NULL'),
        sqlite_where=sa.text('sandbox IS NOT NULL'),
    )
    op.create_table('sandbox_redemptions',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('handle', sa.String(length=32), nullable=False),
    sa.Column('rendering', sa.String(length=8), nullable=False),
    sa.Column('redeemed_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_sandbox_redemptions_channel')),
    sa.ForeignKeyConstraint(['card'], ['electronic_cards.id'], name=op.f('fk_sandbox_redemptions_card')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_sandbox_redemptions')),
    sa.UniqueConstraint('id', name=op.f('uq_sandbox_redemptions_id')),
    sa.UniqueConstraint('handle', name=op.f('uq_sandbox_redemptions_handle'))
    )
    op.create_index(op.f('ix_sandbox_redemptions_channel'), 'sandbox_redemptions', ['channel'], unique=False)
    op.create_index(op.f('ix_sandbox_redemptions_card'), 'sandbox_redemptions', ['card'], unique=False)


def downgrade() -> None:
    op.drop_table('sandbox_redemptions')
    op.drop_index('ix_electronic_cards_sandbox', table_name='electronic_cards')
    with op.batch_alter_table('electronic_cards') as batch:
        batch.drop_column('sandbox')
