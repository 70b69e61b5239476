"""statements of channels beside those of institutions"""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('statements') as batch:
        batch.drop_constraint('fk_statements_institution', type_='foreignkey')
        batch.alter_column('institution', new_column_name='owner', existing_type=sa.String(length=40), existing_nullable=False)
        batch.add_column(sa.Column('sector', sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.execute('DELETE FROM statements WHERE owner NOT IN (SELECT id FROM institutions)')
    with op.batch_alter_table('statements') as batch:
        batch.drop_column('sector')
        batch.alter_column('owner', new_column_name='institution', existing_type=sa.String(length=40), existing_nullable=False)
        batch.create_foreign_key('fk_statements_institution', 'institutions', ['institution'], ['id'])
