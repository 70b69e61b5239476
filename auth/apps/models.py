import sqlalchemy as sa

from core.database import Json, Millis, metadata

client_apps = sa.Table(
    "client_apps",
    metadata,
    sa.Column("platform", sa.String(10), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("client", sa.String(40), sa.ForeignKey("oauth_clients.id"), nullable=False, index=True),
    sa.Column("fingerprints", Json, nullable=False),
    sa.Column("opens_logins", sa.Boolean, nullable=False),
    sa.Column("added_at", Millis, nullable=False),
)
