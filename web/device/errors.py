from core.errors import Kind, Refusal


class CodeNotCompared(Refusal):
    kind = Kind.CONFLICT
    code = "user_code_not_compared"
    title_en = "You have not said that the terminal shows this very code."
    title_zh = "您尚未确认终端上显示的代码与此一致。"
    next_en = "Compare the code with the terminal's screen, then tick the box. If they differ, refuse."
    next_zh = "请与终端屏幕上的代码核对后勾选；如不一致，请拒绝。"
