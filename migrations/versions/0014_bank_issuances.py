"""cards that banks assure"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('bank_ports',
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('url', sa.String(length=500), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('paused_until', sa.BigInteger(), nullable=False),
    sa.Column('set_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_bank_ports_channel')),
    sa.PrimaryKeyConstraint('channel', name=op.f('pk_bank_ports'))
    )
    op.create_table('bank_issuances',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('out_request_no', sa.String(length=64), nullable=False),
    sa.Column('number_index', sa.String(length=64), nullable=True),
    sa.Column('asked', sa.LargeBinary(), nullable=True),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('because', sa.String(length=40), nullable=True),
    sa.Column('result', sa.String(length=3), nullable=True),
    sa.Column('card', sa.String(length=40), nullable=True),
    sa.Column('carriage', sa.String(length=40), nullable=True),
    sa.Column('evidence', sa.JSON(), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('asked_at', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['channel'], ['channels.id'], name=op.f('fk_bank_issuances_channel')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_bank_issuances')),
    sa.UniqueConstraint('channel', 'out_request_no', name=op.f('uq_bank_issuances_channel_out_request_no'))
    )
    op.create_index('ix_bank_issuances_asked', 'bank_issuances', ['next_at'], unique=False, postgresql_where=sa.text("state = 'asked'"), sqlite_where=sa.text("state = 'asked'"))
    op.create_index(op.f('ix_bank_issuances_number_index'), 'bank_issuances', ['number_index'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_bank_issuances_number_index'), table_name='bank_issuances')
    op.drop_index('ix_bank_issuances_asked', table_name='bank_issuances', postgresql_where=sa.text("state = 'asked'"), sqlite_where=sa.text("state = 'asked'"))
    op.drop_table('bank_issuances')
    op.drop_table('bank_ports')
