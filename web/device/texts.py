"""Every sentence of the pages on which an operator lets a terminal in, in Chinese and in English."""

from auth.oauth.scopes import ENROL, SCOPES
from web.login.texts import Text

DEVICE_TEXTS = {
    "title": Text("终端登记", "Terminal registration"),
    # ── before the login ─────────────────────────────────────────────────────────────────────────────────────────
    "start.text": Text(
        "在这里登记本机构的扫码或读卡终端。仅限社保卡中心指定的经办人办理，使用绑定的手机登录。",
        "Register a scanner or reader of your institution here. Only for operators whom the card centre has appointed;"
        " you log in with your phone.",
    ),
    "start.code": Text("终端上应显示这一代码：", "The terminal should show this code:"),
    "start.care": Text(
        "仅当终端就在您面前时才继续。不要为别人发来的代码或链接登录。",
        "Go on only if the terminal stands before you. Never log in for a code or link that somebody sent you.",
    ),
    "start.sign_in": Text("用手机登录", "Log in with your phone"),
    # ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────
    "code.title": Text("输入终端上显示的代码", "Type the code that the terminal shows"),
    "code.label": Text("终端代码", "Code of the terminal"),
    "code.help": Text("8 个字母，不分大小写，连字符可省略。", "Eight letters; case and hyphen do not count."),
    "code.link": Text(
        "链接中的代码已失效，请输入终端上现在显示的代码。",
        "The code of the link is not waiting any more. Type the one that the terminal shows now.",
    ),
    "code.send": Text("继续", "Continue"),
    # ── the institution ──────────────────────────────────────────────────────────────────────────────────────────
    "place.title": Text("为哪个机构登记？", "For which institution?"),
    "place.other": Text("换一个机构", "Another institution"),
    # ── allowing ─────────────────────────────────────────────────────────────────────────────────────────────────
    "allow.title": Text("是否允许这台终端？", "Let this terminal in?"),
    "allow.code": Text("终端上显示的代码", "Code on the terminal's screen"),
    "allow.software": Text("终端软件", "Software"),
    "allow.proven": Text("已用登记的密钥证明", "proven by its registered key"),
    "allow.unproven": Text("仅为软件自称，无法核实", "what the software calls itself; nobody can check that"),
    "allow.asked": Text("请求时间", "Asked at"),
    "allow.from": Text("请求来自", "Asks from"),
    "allow.same": Text("与本浏览器同一网络", "the same network as this browser"),
    "allow.other": Text("与本浏览器不是同一网络", "another network than this browser"),
    "allow.other_care": Text(
        "终端与您的浏览器不在同一网络。如果终端不在您面前，请拒绝。",
        "The terminal asks from another network than your browser. If it does not stand before you, refuse.",
    ),
    "allow.institution": Text("机构", "Institution"),
    "allow.what": Text("允许后，该终端可以", "Once you allow it, it may"),
    "allow.name": Text("终端名称（持卡人会看到）", "Name of the terminal (holders see it)"),
    "allow.name_example": Text("例如：3 号收银台", "e.g. Till 3"),
    "allow.site": Text("所在位置", "Where it stands"),
    "allow.site_example": Text("例如：中山路 12 号一楼", "e.g. 12 Zhongshan Road, ground floor"),
    "allow.purposes": Text("受理用途", "What it takes codes for"),
    "allow.no_purposes": Text(
        "该机构的终端不受理二维码，仅可作为读卡终端。", "None: it can only be a reader of cards."
    ),
    "allow.compared": Text(
        "终端就在我面前，屏幕上显示的正是这一代码。", "The terminal stands before me and shows this very code."
    ),
    "allow.allow": Text("允许", "Allow"),
    "allow.refuse": Text("拒绝", "Refuse"),
    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────
    "done.title": Text("已允许", "Allowed"),
    "done.text": Text(
        "终端将在几秒内自行完成登记。如十分钟内未完成，本次授权自动失效。",
        "The terminal registers itself within seconds. If it has not after ten minutes, this permission ends.",
    ),
    "refused.title": Text("已拒绝", "Refused"),
    "refused.text": Text(
        "该终端未被登记。如果这不是您发起的，请告知社保卡中心。",
        "The terminal is not registered. If nobody of yours asked for it, tell the card centre.",
    ),
    "another": Text("登记另一台终端", "Register another terminal"),
    # ── words ────────────────────────────────────────────────────────────────────────────────────────────────────
    "scope": Text(SCOPES[ENROL].zh, SCOPES[ENROL].en),
    "purpose.identity": Text("身份核验", "proof of identity"),
    "purpose.medical": Text("就医购药", "treatment and medicine"),
    "purpose.merchant": Text("特约商户优惠", "offers of special merchants"),
    "purpose.gate": Text("门禁通行", "entry at gates"),
    "purpose.test": Text("测试", "tests"),
}


def tell(language: str, name: str) -> str:
    """Give a sentence; raises ``KeyError`` for one that there is not."""
    return DEVICE_TEXTS[name].in_language(language)
