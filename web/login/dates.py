"""Days and moments as people in China write them, in the language of a page."""

from datetime import datetime

from physical.register import BEIJING

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def say_date(language: str, moment: datetime) -> str:
    """Write the day of a moment."""
    day = moment.astimezone(BEIJING)
    if language == "zh":
        return f"{day.year} 年 {day.month} 月 {day.day} 日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def say_moment(language: str, moment: datetime) -> str:
    """Write a moment to the minute."""
    return f"{say_date(language, moment)} {moment.astimezone(BEIJING):%H:%M}"
