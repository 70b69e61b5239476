from core.errors import Kind, Refusal


class FormForeign(Refusal):
    kind = Kind.FORBIDDEN
    code = "form_foreign"
    title_en = "This form was not sent from our page, or the page is too old."
    title_zh = "该表单并非由本页面提交，或页面已过期。"
    next_en = "Load the page again and repeat the step."
    next_zh = "请重新打开页面后再操作。"


class ChipNotRead(Refusal):
    kind = Kind.CONFLICT
    code = "chip_not_read"
    title_en = "No registered reader has read this chip card within the last 10 minutes."
    title_zh = "最近 10 分钟内没有登记的读卡终端读取过这张实体卡。"
    next_en = "Have the card read at a registered reader with this phone, then press Continue."
    next_zh = "请使用这部手机在登记的读卡终端读卡，然后按“继续”。"
