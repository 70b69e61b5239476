"""Refusals about logging in."""

from core.errors import Kind, Refusal


class LoginOver(Refusal):
    kind = Kind.GONE
    code = "login_over"
    title_en = "This login has ended, or it is not yours to go on with."
    title_zh = "本次登录已结束，或不属于您。"
    next_en = "Go back to the app or site and log in again."
    next_zh = "请返回应用或网站重新登录。"


class NumberWrong(Refusal):
    kind = Kind.FORBIDDEN
    code = "login_number_wrong"
    title_en = "This is not the number that the phone shows."
    title_zh = "数字与手机上显示的不一致。"
    next_en = "Type the four digits that the card app shows for this login."
    next_zh = "请输入社保卡应用为本次登录显示的四位数字。"


class NumbersSpent(LoginOver):
    code = "login_numbers_spent"
    title_en = "The number was wrong three times; this login has ended."
    title_zh = "数字连续三次输入错误，本次登录已终止。"


class LoginTooOld(LoginOver):
    code = "login_too_old"
    title_en = "The site asks for a login that is more recent than this one."
    title_zh = "该网站要求更近时间的登录。"
    next_en = "Log in again."
    next_zh = "请重新登录。"


class LoginNotApproved(Refusal):
    kind = Kind.CONFLICT
    code = "login_not_approved"
    title_en = "The phone has not approved this login yet."
    title_zh = "手机尚未确认本次登录。"
    next_en = "Open the card app, scan the code and confirm."
    next_zh = "请打开社保卡应用扫码并确认。"


class LoginNotConfirmed(Refusal):
    kind = Kind.CONFLICT
    code = "login_not_confirmed"
    title_en = "The number that the phone shows has not been typed in yet."
    title_zh = "尚未输入手机上显示的数字。"
    next_en = "Type the number into the page that began the login."
    next_zh = "请在发起登录的页面输入该数字。"


class CardNotGood(Refusal):
    kind = Kind.FORBIDDEN
    code = "card_not_good_for_login"
    title_en = "The electronic card is suspended or revoked; it cannot be used to log in."
    title_zh = "该电子社保卡已暂停或注销，不能用于登录。"
    next_en = "Lift the loss report, or enroll again with a valid chip card."
    next_zh = "请解挂，或使用有效的实体卡重新签发。"


class LoginLimit(Refusal):
    kind = Kind.LIMITED
    code = "login_limit"
    title_en = "Too many logins of this holder within an hour."
    title_zh = "该持卡人一小时内登录次数过多。"
    next_en = "Wait an hour; if these logins were not yours, deny them and call 12333."
    next_zh = "请一小时后再试；如非本人登录，请拒绝并致电 12333。"


class WrongCodeLimit(Refusal):
    kind = Kind.LIMITED
    code = "wrong_login_codes"
    title_en = "Too many wrong login codes from this phone or its network within an hour."
    title_zh = "该手机或其网络一小时内扫描的无效登录码过多。"
    next_en = "Wait an hour, then scan the code that the login page shows."
    next_zh = "请一小时后扫描登录页面显示的二维码。"


class SessionOver(Refusal):
    kind = Kind.GONE
    code = "account_session_over"
    title_en = "You are not logged in here, or ten minutes have passed."
    title_zh = "您尚未登录，或登录已超过十分钟。"
    next_en = "Log in with your phone again."
    next_zh = "请用手机重新登录。"
