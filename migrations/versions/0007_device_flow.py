"""terminals enrol themselves"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('institutions', sa.Column('purposes', sa.JSON(), server_default='[]', nullable=False))
    op.create_table('institution_operators',
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('institution', sa.String(length=40), nullable=False),
    sa.Column('appointed_at', sa.BigInteger(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.Column('dismissed_at', sa.BigInteger(), nullable=True),
    sa.Column('wrong_codes', sa.Integer(), server_default='0', nullable=False),
    sa.Column('wrong_since', sa.BigInteger(), server_default='0', nullable=False),
    sa.ForeignKeyConstraint(['institution'], ['institutions.id'], name=op.f('fk_institution_operators_institution')),
    sa.PrimaryKeyConstraint('card', 'institution', name=op.f('pk_institution_operators'))
    )
    op.create_index(op.f('ix_institution_operators_institution'), 'institution_operators', ['institution'], unique=False)
    op.create_table('device_authorizations',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('device_code', sa.String(length=64), nullable=False),
    sa.Column('user_code', sa.String(length=64), nullable=False),
    sa.Column('client', sa.String(length=40), nullable=False),
    sa.Column('thumbprint', sa.String(length=43), nullable=False),
    sa.Column('address', sa.String(length=45), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('begun_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('poll_seconds', sa.Integer(), nullable=False),
    sa.Column('polled_at', sa.BigInteger(), nullable=True),
    sa.Column('login', sa.String(length=40), nullable=True),
    sa.Column('operator', sa.String(length=40), nullable=True),
    sa.Column('institution', sa.String(length=40), nullable=True),
    sa.Column('name', sa.String(length=200), nullable=True),
    sa.Column('site', sa.String(length=200), nullable=True),
    sa.Column('purposes', sa.JSON(), nullable=True),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.Column('grant_id', sa.String(length=40), nullable=True),
    sa.Column('public_key', sa.String(length=128), nullable=True),
    sa.Column('terminal', sa.String(length=40), nullable=True),
    sa.Column('serial', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device_authorizations')),
    sa.UniqueConstraint('device_code', name=op.f('uq_device_authorizations_device_code')),
    sa.UniqueConstraint('grant_id', name=op.f('uq_device_authorizations_grant_id')),
    sa.UniqueConstraint('login', name=op.f('uq_device_authorizations_login')),
    sa.UniqueConstraint('user_code', name=op.f('uq_device_authorizations_user_code'))
    )
    op.create_index(op.f('ix_device_authorizations_expires_at'), 'device_authorizations', ['expires_at'], unique=False)
    op.create_index(op.f('ix_device_authorizations_institution_decided_at'), 'device_authorizations', ['institution', 'decided_at'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_device_authorizations_institution_decided_at'), table_name='device_authorizations')
    op.drop_index(op.f('ix_device_authorizations_expires_at'), table_name='device_authorizations')
    op.drop_table('device_authorizations')
    op.drop_index(op.f('ix_institution_operators_institution'), table_name='institution_operators')
    op.drop_table('institution_operators')
    op.drop_column('institutions', 'purposes')
