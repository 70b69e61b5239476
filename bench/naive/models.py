from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Holder(Base):
    __tablename__ = "naive_holders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Card(Base):
    __tablename__ = "naive_cards"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    card_index: Mapped[int] = mapped_column(BigInteger, unique=True)
    status: Mapped[str] = mapped_column(String(20))
    level: Mapped[str] = mapped_column(String(2))
    holder_id: Mapped[int] = mapped_column(ForeignKey("naive_holders.id"))
    holder: Mapped[Holder] = relationship()


class Device(Base):
    __tablename__ = "naive_devices"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    card_id: Mapped[str] = mapped_column(ForeignKey("naive_cards.id"))
    status: Mapped[str] = mapped_column(String(20))


class Terminal(Base):
    __tablename__ = "naive_terminals"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    institution: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    public_key: Mapped[str] = mapped_column(String(128))


class Redemption(Base):
    __tablename__ = "naive_redemptions"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    handle: Mapped[str] = mapped_column(String(32), unique=True)
    card_id: Mapped[str] = mapped_column(ForeignKey("naive_cards.id"))
    terminal_id: Mapped[str] = mapped_column(ForeignKey("naive_terminals.id"))
    purpose: Mapped[str] = mapped_column(String(12))
    redeemed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
