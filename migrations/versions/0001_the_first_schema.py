"""the first schema"""

import sqlalchemy as sa
from alembic import op

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audit_entries',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('happened_at', sa.BigInteger(), nullable=False),
    sa.Column('actor', sa.String(length=60), nullable=False),
    sa.Column('act', sa.String(length=60), nullable=False),
    sa.Column('subject', sa.String(length=60), nullable=True),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('mac', sa.String(length=64), nullable=False),
    sa.Column('sequence', sa.BigInteger(), nullable=True),
    sa.Column('link', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_audit_entries')),
    sa.UniqueConstraint('id', name=op.f('uq_audit_entries_id')),
    sa.UniqueConstraint('sequence', name=op.f('uq_audit_entries_sequence'))
    )
    op.create_index('ix_audit_entries_subject', 'audit_entries', ['subject', 'number'], unique=False)
    op.create_index('ix_audit_entries_unsealed', 'audit_entries', ['number'], unique=False, postgresql_where=sa.text('sequence IS NULL'), sqlite_where=sa.text('sequence IS NULL'))
    op.create_table('chip_cards',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('card_identification_code', sa.String(length=32), nullable=False),
    sa.Column('generation', sa.String(length=4), nullable=False),
    sa.Column('region', sa.String(length=6), nullable=False),
    sa.Column('holder_index', sa.String(length=64), nullable=True),
    sa.Column('issued_on', sa.Date(), nullable=True),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('standing', sa.String(length=20), nullable=False),
    sa.Column('standing_since', sa.BigInteger(), nullable=False),
    sa.Column('registered_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_chip_cards')),
    sa.UniqueConstraint('card_identification_code', name=op.f('uq_chip_cards_card_identification_code'))
    )
    op.create_index(op.f('ix_chip_cards_holder_index'), 'chip_cards', ['holder_index'], unique=False)
    op.create_table('devices',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('thumbprint', sa.String(length=43), nullable=False),
    sa.Column('public_jwk', sa.JSON(), nullable=False),
    sa.Column('standing', sa.String(length=20), nullable=False),
    sa.Column('bound_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_because', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_devices')),
    sa.UniqueConstraint('id', name=op.f('uq_devices_id'))
    )
    op.create_index(op.f('ix_devices_card'), 'devices', ['card'], unique=False)
    op.create_index(op.f('ix_devices_thumbprint'), 'devices', ['thumbprint'], unique=False)
    op.create_index('uq_devices_active', 'devices', ['card', 'thumbprint'], unique=True, postgresql_where=sa.text("standing = 'active'"), sqlite_where=sa.text("standing = 'active'"))
    op.create_table('ephemeral',
    sa.Column('key', sa.String(length=160), nullable=False),
    sa.Column('value', sa.LargeBinary(), nullable=False),
    sa.Column('count', sa.BigInteger(), server_default='1', nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_ephemeral'))
    )
    op.create_index(op.f('ix_ephemeral_expires_at'), 'ephemeral', ['expires_at'], unique=False)
    op.create_table('holders',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('number_index', sa.String(length=64), nullable=False),
    sa.Column('social_security_number', sa.LargeBinary(), nullable=False),
    sa.Column('name_index', sa.String(length=64), nullable=False),
    sa.Column('name', sa.LargeBinary(), nullable=False),
    sa.Column('phone_index', sa.String(length=64), nullable=True),
    sa.Column('phone', sa.LargeBinary(), nullable=True),
    sa.Column('known_since', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_holders')),
    sa.UniqueConstraint('number_index', name=op.f('uq_holders_number_index'))
    )
    op.create_index(op.f('ix_holders_name_index'), 'holders', ['name_index'], unique=False)
    op.create_index(op.f('ix_holders_phone_index'), 'holders', ['phone_index'], unique=False)
    op.create_table('institutions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=30), nullable=False),
    sa.Column('audience', sa.Integer(), server_default='0', nullable=False),
    sa.Column('region', sa.String(length=6), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_institutions'))
    )
    op.create_table('notices',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('event', sa.String(length=40), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('device', sa.String(length=40), nullable=True),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('happened_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_notices')),
    sa.UniqueConstraint('event', 'device', name=op.f('uq_notices_event_device')),
    sa.UniqueConstraint('id', name=op.f('uq_notices_id'))
    )
    op.create_index('ix_notices_card', 'notices', ['card', 'number'], unique=False)
    op.create_table('offline_duplicates',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('handle', sa.String(length=32), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('terminal', sa.String(length=40), nullable=False),
    sa.Column('accepted_at', sa.BigInteger(), nullable=False),
    sa.Column('first_redemption', sa.String(length=40), nullable=False),
    sa.Column('reported_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_offline_duplicates')),
    sa.UniqueConstraint('handle', 'terminal', 'accepted_at', name=op.f('uq_offline_duplicates_handle_terminal_accepted_at'))
    )
    op.create_table('outbox',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=True),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('happened_at', sa.BigInteger(), nullable=False),
    sa.Column('told_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_outbox')),
    sa.UniqueConstraint('id', name=op.f('uq_outbox_id'))
    )
    op.create_index('ix_outbox_waiting', 'outbox', ['number'], unique=False, postgresql_where=sa.text('told_at IS NULL'), sqlite_where=sa.text('told_at IS NULL'))
    op.create_table('redemptions',
    sa.Column('number', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('handle', sa.String(length=32), nullable=False),
    sa.Column('card', sa.String(length=40), nullable=False),
    sa.Column('terminal', sa.String(length=40), nullable=False),
    sa.Column('institution', sa.String(length=40), nullable=False),
    sa.Column('purpose', sa.String(length=12), nullable=False),
    sa.Column('rendering', sa.String(length=8), nullable=False),
    sa.Column('mode', sa.String(length=8), nullable=False),
    sa.Column('idempotency_key', sa.String(length=64), nullable=False),
    sa.Column('request_sm3', sa.String(length=64), nullable=False),
    sa.Column('request_nonce', sa.String(length=64), nullable=False),
    sa.Column('entitlement', sa.JSON(), nullable=False),
    sa.Column('redeemed_at', sa.BigInteger(), nullable=False),
    sa.Column('visit_expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_redemptions')),
    sa.UniqueConstraint('handle', name=op.f('uq_redemptions_handle')),
    sa.UniqueConstraint('id', name=op.f('uq_redemptions_id')),
    sa.UniqueConstraint('terminal', 'idempotency_key', name=op.f('uq_redemptions_terminal_idempotency_key'))
    )
    op.create_index('ix_redemptions_card', 'redemptions', ['card', 'number'], unique=False)
    op.create_table('signed_requests',
    sa.Column('party', sa.String(length=40), nullable=False),
    sa.Column('nonce', sa.String(length=64), nullable=False),
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.Column('base_sm3', sa.String(length=64), nullable=False),
    sa.Column('signature', sa.String(length=128), nullable=False),
    sa.Column('signed_at', sa.BigInteger(), nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('party', 'nonce', name=op.f('pk_signed_requests'))
    )
    op.create_index(op.f('ix_signed_requests_received_at'), 'signed_requests', ['received_at'], unique=False)
    op.create_table('electronic_cards',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('card_index', sa.BigInteger(), nullable=False),
    sa.Column('chip_card', sa.String(length=40), nullable=False),
    sa.Column('holder', sa.String(length=40), nullable=False),
    sa.Column('level', sa.String(length=2), nullable=False),
    sa.Column('default_pin', sa.Boolean(), nullable=False),
    sa.Column('card_class', sa.String(length=1), nullable=False),
    sa.Column('region', sa.String(length=6), nullable=False),
    sa.Column('standing', sa.String(length=20), nullable=False),
    sa.Column('standing_since', sa.BigInteger(), nullable=False),
    sa.Column('credential', sa.Text(), nullable=False),
    sa.Column('issued_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['chip_card'], ['chip_cards.id'], name=op.f('fk_electronic_cards_chip_card')),
    sa.ForeignKeyConstraint(['holder'], ['holders.id'], name=op.f('fk_electronic_cards_holder')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_electronic_cards')),
    sa.UniqueConstraint('card_index', name=op.f('uq_electronic_cards_card_index')),
    sa.UniqueConstraint('chip_card', name=op.f('uq_electronic_cards_chip_card'))
    )
    op.create_index(op.f('ix_electronic_cards_holder'), 'electronic_cards', ['holder'], unique=False)
    op.create_table('parties',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('site', sa.String(length=200), nullable=False),
    sa.Column('institution', sa.String(length=40), nullable=False),
    sa.Column('purposes', sa.JSON(), nullable=False),
    sa.Column('standing', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['institution'], ['institutions.id'], name=op.f('fk_parties_institution')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_parties'))
    )
    op.create_table('party_keys',
    sa.Column('party', sa.String(length=40), nullable=False),
    sa.Column('serial', sa.String(length=40), nullable=False),
    sa.Column('public_key', sa.String(length=128), nullable=False),
    sa.Column('not_before', sa.BigInteger(), nullable=False),
    sa.Column('not_after', sa.BigInteger(), nullable=False),
    sa.Column('withdrawn_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['party'], ['parties.id'], name=op.f('fk_party_keys_party')),
    sa.PrimaryKeyConstraint('party', 'serial', name=op.f('pk_party_keys'))
    )
    op.create_table('terminal_sessions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('terminal', sa.String(length=40), nullable=False),
    sa.Column('operator', sa.String(length=60), nullable=False),
    sa.Column('terminal_nonce', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['terminal'], ['parties.id'], name=op.f('fk_terminal_sessions_terminal')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_terminal_sessions'))
    )
    op.create_index(op.f('ix_terminal_sessions_terminal'), 'terminal_sessions', ['terminal'], unique=False)
    op.create_table('enrollments',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('session', sa.String(length=40), nullable=False),
    sa.Column('terminal', sa.String(length=40), nullable=False),
    sa.Column('channel', sa.String(length=40), nullable=False),
    sa.Column('thumbprint', sa.String(length=43), nullable=False),
    sa.Column('public_jwk', sa.JSON(), nullable=False),
    sa.Column('device_key_sm3', sa.String(length=64), nullable=False),
    sa.Column('device_proof', sa.Text(), nullable=False),
    sa.Column('service_nonce', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('chip_card', sa.String(length=40), nullable=True),
    sa.Column('interface', sa.String(length=12), nullable=True),
    sa.Column('hello_sm3', sa.String(length=64), nullable=True),
    sa.Column('hello_answer', sa.JSON(), nullable=True),
    sa.Column('card_public_key', sa.String(length=128), nullable=True),
    sa.Column('pin_tries_left', sa.Integer(), nullable=True),
    sa.Column('complete_sm3', sa.String(length=64), nullable=True),
    sa.Column('holder_data', sa.LargeBinary(), nullable=True),
    sa.Column('card_signature', sa.String(length=128), nullable=True),
    sa.Column('card_class', sa.String(length=1), nullable=True),
    sa.Column('default_pin', sa.Boolean(), nullable=True),
    sa.Column('level', sa.String(length=2), nullable=True),
    sa.Column('refused_because', sa.String(length=60), nullable=True),
    sa.Column('card', sa.String(length=40), nullable=True),
    sa.Column('device', sa.String(length=40), nullable=True),
    sa.Column('begun_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['session'], ['terminal_sessions.id'], name=op.f('fk_enrollments_session')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_enrollments')),
    sa.UniqueConstraint('session', name=op.f('uq_enrollments_session'))
    )
    op.create_index(op.f('ix_enrollments_chip_card'), 'enrollments', ['chip_card'], unique=False)
    op.create_index(op.f('ix_enrollments_terminal'), 'enrollments', ['terminal'], unique=False)
    op.create_index(op.f('ix_enrollments_thumbprint'), 'enrollments', ['thumbprint'], unique=False)
    op.create_index('uq_enrollments_open_chip_card', 'enrollments', ['chip_card'], unique=True, postgresql_where=sa.text('ended_at IS NULL'), sqlite_where=sa.text('ended_at IS NULL'))
    op.create_index('uq_enrollments_open_thumbprint', 'enrollments', ['thumbprint'], unique=True, postgresql_where=sa.text('ended_at IS NULL'), sqlite_where=sa.text('ended_at IS NULL'))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_POSTGRES_GUARD)
        op.execute(_POSTGRES_TRIGGER)
        op.execute(_POSTGRES_TRUNCATE)
    else:
        op.execute(_SQLITE_NO_DELETE)
        op.execute(_SQLITE_NO_UPDATE)


# The audit trail only grows: an entry is sealed once (sequence and link), nothing else of it ever changes.
_POSTGRES_GUARD = """
CREATE FUNCTION audit_entries_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.sequence IS NULL AND NEW.sequence IS NOT NULL
       AND (NEW.number, NEW.id, NEW.happened_at, NEW.actor, NEW.act, NEW.detail, NEW.mac)
           = (OLD.number, OLD.id, OLD.happened_at, OLD.actor, OLD.act, OLD.detail, OLD.mac)
       AND NEW.subject IS NOT DISTINCT FROM OLD.subject THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_entries only grow';
END $$
"""
_POSTGRES_TRIGGER = """
CREATE TRIGGER audit_entries_only_grow BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_entries_only_grow()
"""
_POSTGRES_TRUNCATE = """
CREATE TRIGGER audit_entries_never_empty BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_only_grow()
"""
_SQLITE_NO_DELETE = """
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit_entries only grow'); END
"""
_SQLITE_NO_UPDATE = """
CREATE TRIGGER audit_entries_sealed_once BEFORE UPDATE ON audit_entries
WHEN OLD.sequence IS NOT NULL OR NEW.sequence IS NULL OR NEW.number IS NOT OLD.number OR NEW.id IS NOT OLD.id
  OR NEW.happened_at IS NOT OLD.happened_at OR NEW.actor IS NOT OLD.actor OR NEW.act IS NOT OLD.act
  OR NEW.subject IS NOT OLD.subject OR NEW.detail IS NOT OLD.detail OR NEW.mac IS NOT OLD.mac
BEGIN SELECT RAISE(ABORT, 'audit_entries only grow'); END
"""


def downgrade() -> None:
    """There is nothing before the first schema: drop the database instead."""
    raise RuntimeError("the first schema cannot be taken back")
