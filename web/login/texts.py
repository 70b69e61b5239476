"""Every sentence of the pages, in Chinese and in English."""

from dataclasses import dataclass

LANGUAGES = ("zh", "en")
"""The first one is spoken to whoever asks for neither."""


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence twice; ``{name}`` stands for a value, the same ones in both."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        """Give the sentence in ``zh`` or ``en``."""
        return self.zh if language == "zh" else self.en


TEXTS = {
    # ── on every page ────────────────────────────────────────────────────────────────────────────────────────────
    "product": Text("电子社保卡", "Social Security e-Card"),
    "place": Text("您正在访问 {host}", "You are at {host}"),
    "care": Text(
        "工作人员绝不会向您索要登录数字或密码。如有疑问，请拨打 12333。",
        "Nobody from us ever asks you for the number or your password. Questions: call 12333.",
    ),
    "cancel": Text("取消登录", "Cancel"),
    "back_to": Text("返回 {name}", "Back to {name}"),
    "begin_again": Text("重新登录", "Begin again"),
    # ── who asks ─────────────────────────────────────────────────────────────────────────────────────────────────
    "asked_by": Text("登录到", "You are logging in to"),
    # ── assurance levels ─────────────────────────────────────────────────────────────────────────────────────────
    "level.L1": Text("L1 · 基本", "L1 · basic"),
    "level.L2": Text("L2 · 手机已验证", "L2 · phone verified"),
    "level.L3": Text("L3 · 手机与实体卡或密码已验证", "L3 · phone, and chip card or password verified"),
    # ── waiting for the phone ────────────────────────────────────────────────────────────────────────────────────
    "waiting.title": Text("用手机确认登录", "Confirm the login with your phone"),
    "waiting.open": Text(
        "打开手机上的社保卡应用，选择“扫一扫”。", "Open the card app on your phone and choose “Scan”."
    ),
    "waiting.scan": Text("扫描下方二维码。", "Scan the code below."),
    "waiting.check": Text(
        "核对应用中显示的名称与本页一致后确认，再把应用给出的 4 位数字输入到这里。",
        "Check that the app shows the same name as this page, confirm, and bring the 4-digit number back here.",
    ),
    "waiting.picture": Text("登录二维码", "Code for logging in"),
    "waiting.code": Text("不便扫码？在应用中输入：", "Cannot scan? Type this into the app:"),
    "waiting.same_phone": Text("应用就在这台设备上？", "Is the app on this device?"),
    "waiting.app": Text("打开社保卡应用", "Open the card app"),
    "waiting.care": Text(
        "仅当您自己打开了本页面时才继续。不要扫描别人发来的二维码。",
        "Go on only if you opened this page yourself. Never scan a code that somebody sent you.",
    ),
    "waiting.reload": Text("本页会自动更新。", "This page updates itself."),
    "waiting.left": Text("剩余时间", "Time left"),
    "waiting.minutes": Text("约 {minutes} 分钟", "about {minutes} min"),
    "seen.title": Text("请在手机上继续", "Go on with your phone"),
    "seen.text": Text(
        "社保卡应用已打开本次登录。请核对名称后确认，应用会给出 4 位数字。",
        "The card app has opened this login. Check the name and confirm; the app then shows a 4-digit number.",
    ),
    # ── the number ───────────────────────────────────────────────────────────────────────────────────────────────
    "number.title": Text("输入手机上显示的数字", "Type the number that your phone shows"),
    "number.label": Text("4 位数字", "4-digit number"),
    "number.text": Text(
        "数字只输入到这一页，不要告诉任何人，也不要输入到其他网页。",
        "Type it on this page only. Tell it to nobody, and enter it nowhere else.",
    ),
    "number.send": Text("继续", "Continue"),
    "number.left": Text("还可以尝试 {left} 次。", "Tries left: {left}."),
    # ── a higher level ───────────────────────────────────────────────────────────────────────────────────────────
    "raise.title": Text("还需要一步验证", "One more step"),
    "raise.text": Text(
        "所请求的内容需要更高的保证级别（{level}）。请任选一种方式。",
        "What is asked for needs a higher assurance level ({level}). Choose one of two ways.",
    ),
    "raise.password": Text("输入电子社保卡密码", "Type your electronic card's password"),
    "raise.password_label": Text("电子社保卡密码（6 位数字）", "Password of the electronic card (6 digits)"),
    "raise.password_send": Text("验证密码", "Check the password"),
    "raise.locked_until": Text("密码锁定至 {moment}。", "The password is locked until {moment}."),
    "raise.chip": Text("使用实体卡", "Use your chip card"),
    "raise.chip_open": Text(
        "在登记的读卡终端旁打开社保卡应用，扫描终端显示的二维码。",
        "At a registered reader, open the card app and scan the code that the reader shows.",
    ),
    "raise.chip_hold": Text(
        "按终端提示读取实体社保卡并输入卡密码。", "Hold the chip card to the reader and enter its PIN."
    ),
    "raise.chip_press": Text("完成后 10 分钟内按“继续”。", "Within 10 minutes after that, press Continue."),
    "raise.chip_send": Text("继续", "Continue"),
    # ── consent ──────────────────────────────────────────────────────────────────────────────────────────────────
    "consent.title": Text("是否允许“{name}”？", "Allow “{name}”?"),
    "consent.text": Text("{name} 请求：", "{name} asks to:"),
    "consent.required": Text("必需", "required"),
    "consent.optional": Text("不愿允许的内容可以取消勾选。", "Untick what you do not want to allow."),
    "consent.returns": Text("授权后返回", "You then go back to"),
    "consent.level": Text("保证级别", "Assurance level"),
    "consent.duration": Text("有效期", "For how long"),
    "consent.days": Text(
        "最长 {days} 天（勾选持续访问时）；否则仅本次", "Up to {days} days with lasting access; otherwise this once"
    ),
    "consent.once": Text("仅本次", "This once"),
    "consent.remembered": Text(
        "仅本次登录。您的同意将记住 {days} 天，期间不再询问",
        "This login. Your consent is remembered for {days} days and not asked for again",
    ),
    "consent.end": Text(
        "您可以随时在社保卡应用中或在 {host}/account 解除授权，立即生效。",
        "You can end this at any time in the card app or at {host}/account, at once.",
    ),
    "consent.allow": Text("允许", "Allow"),
    "consent.refuse": Text("拒绝", "Refuse"),
    "onward.title": Text("正在返回 {name}", "Going back to {name}"),
    "onward.text": Text("如果没有自动跳转，请按下面的按钮。", "If nothing happens, press the button."),
    "onward.go": Text("继续前往 {host}", "Continue to {host}"),
    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────
    "ended.title": Text("登录未完成", "The login did not go through"),
    "ended.numbers": Text(
        "数字连续三次输入错误，本次登录已终止。", "The number was wrong three times; this login has ended."
    ),
    "ended.denied_by_holder": Text("您已在手机上拒绝本次登录。", "The login was refused on the phone."),
    "ended.left_by_browser": Text("您已取消本次登录。", "You have cancelled this login."),
    "ended.other": Text("本次登录已结束。", "This login has ended."),
    "ended.not_you": Text(
        "如果不是您本人拒绝或操作，请拨打 12333。",
        "If it was not you who refused it, call 12333.",
    ),
    "refused.request": Text("请求编号", "Request id"),
    "refused.client": Text("应用发来的登录请求有误", "The app or site sent a request that is not right"),
    "refused.client_next": Text(
        "请返回应用或网站重试；如仍出现，请将下面的信息告知该应用。",
        "Go back to the app or site and try again; if it happens again, tell its makers what stands below.",
    ),
    "refused.fault": Text("服务出现错误", "Something went wrong on our side"),
    "refused.fault_next": Text("请稍后重试，并提供请求编号。", "Try again later; tell us the request id."),
    # ── the app's address, opened without the app ────────────────────────────────────────────────────────────────
    "app.title": Text("请用社保卡应用打开", "Open this with the card app"),
    "app.text": Text(
        "这是登录二维码的地址，要由社保卡应用打开。请打开应用，选择“扫一扫”，再次扫描，或在应用中输入：",
        "This is the address of a login code; it is meant for the card app. Open the app, choose “Scan” and scan it"
        " again, or type this into the app:",
    ),
    "app.care": Text(
        "如果这个链接或二维码是别人发给您的，请不要继续：对方可能想用您的身份登录。",
        "If somebody sent you this link or code, stop here: they may want to log in as you.",
    ),
    # ── the account ──────────────────────────────────────────────────────────────────────────────────────────────
    "account.title": Text("我的账户", "Your account"),
    "account.start": Text(
        "在这里查看并解除：绑定的手机、已授权的应用、记住的同意。使用绑定的手机登录。",
        "See and end what stands on your card: phones, linked apps, remembered consents. You log in with your phone.",
    ),
    "account.sign_in": Text("用手机登录", "Log in with your phone"),
    "account.sign_out": Text("退出", "Sign out"),
    "account.short": Text("为保护您，登录将在 10 分钟后结束。", "For your safety this login ends after 10 minutes."),
    "account.since": Text("自 {date}", "since {date}"),
    "account.until": Text("至 {date}", "until {date}"),
    "account.device": Text("手机（{channel}）", "Phone ({channel})"),
    "account.this_device": Text("您用它登录了本页", "You logged in here with it"),
    "account.devices": Text("绑定的手机", "Phones"),
    "account.links": Text("已授权的应用", "Linked apps"),
    "account.consents": Text("记住的同意", "Remembered consents"),
    "account.no_devices": Text("没有绑定的手机。", "No phone is bound."),
    "account.no_links": Text("没有持续授权的应用。", "No app has lasting access."),
    "account.no_consents": Text("没有记住的同意。", "No consent is remembered."),
    "account.end_devices": Text("解除绑定", "End"),
    "account.end_links": Text("解除授权", "End"),
    "account.end_consents": Text("不再记住", "Forget"),
    "account.sure": Text("确定吗？", "Are you sure?"),
    "account.sure_devices": Text(
        "解除后，这部手机不能再使用电子社保卡，经它授权的应用也一并解除。重新绑定须持实体卡到读卡终端办理。",
        "This phone can then no longer use the electronic card, and what was allowed with it ends too. To bind it again"
        " you need the chip card and a reader.",
    ),
    "account.sure_own": Text(
        "您正是用这部手机登录的，解除后本页也会退出。",
        "It is the phone that you logged in with: you are signed out here as well.",
    ),
    "account.sure_links": Text(
        "解除后，“{name}”立即失去访问权限，需要时须重新请求您的授权。",
        "“{name}” loses its access at once and has to ask you again.",
    ),
    "account.yes": Text("确定解除", "Yes, end it"),
    "account.no": Text("保留", "Keep it"),
    "account.done": Text("已解除，立即生效。", "Ended, at once."),
}


def say(language: str, name: str, /, **values: object) -> str:
    """Give a sentence with its values; raises ``KeyError`` for one that there is not."""
    return TEXTS[name].in_language(language).format(**values)
