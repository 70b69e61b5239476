"""Refusals about statements: days, files, signatures, and what makes a file unreadable."""

from core.errors import Kind, Refusal


class DayNotClosed(Refusal):
    kind = Kind.MISSING
    code = "day_not_closed"
    title_en = "This day is not closed yet, so there is no statement of it."
    title_zh = "该业务日尚未日终，尚无对账单。"
    next_en = "Ask again from 00:15 of the next day, Shanghai time."
    next_zh = "请于次日 0 时 15 分（北京时间）之后重试。"


class StatementNotReady(Refusal):
    """The day is over, and its file is made in a while: ``retry_after`` says when to come again."""

    kind = Kind.MISSING
    code = "statement_not_ready"
    title_en = "The statement of this day is not made yet."
    title_zh = "该业务日的对账单尚未生成。"
    next_en = "Ask again after the time given in Retry-After."
    next_zh = "请按 Retry-After 给出的时间稍候再试。"


class StatementNotKept(Refusal):
    kind = Kind.GONE
    code = "statement_not_kept"
    title_en = "There is no file of this day: it is older than files are kept, or from before they were made."
    title_zh = "该业务日的对账单已超过保存期限或未曾生成。"
    next_en = "Ask the card centre: it can make the file anew from its records."
    next_zh = "请联系发卡机构，由其根据记录重新生成。"


class StatementChanged(Refusal):
    kind = Kind.CONFLICT
    code = "statement_changed"
    title_en = "The records of this closed day are not those that were signed before."
    title_zh = "该日记录与此前已签名的对账单不一致。"
    next_en = "Do not hand out the file; verify the audit trail and find out who wrote to the database."
    next_zh = "请勿发放该文件；请校验审计日志并查明数据变动原因。"


class StatementUnreadable(Refusal):
    """A file that is no statement; ``extra`` names line and cell, both counted from 1, cell 0 is the whole line."""

    kind = Kind.MALFORMED
    code = "statement_unreadable"
    title_en = "The file cannot be read as a statement."
    title_zh = "文件不是可读的对账单。"
    next_en = "Look at the line and column that are named, correct the export and send the whole file again."
    next_zh = "请检查所提示的行和列，更正导出内容后重新提交整个文件。"

    def __init__(self, what: str, line: int, cell: int = 0) -> None:
        place = f"line {line}, column {cell}" if cell else f"line {line}"
        super().__init__(f"{place}: {what}", extra={"line": line, "column": cell})


class StatementCutOff(StatementUnreadable):
    code = "statement_cut_off"
    title_en = "The file ends before its last line, or has another number of rows than it says."
    title_zh = "文件不完整，或行数与声明不一致。"
    next_en = "Have the whole file sent again."
    next_zh = "请重新提交完整文件。"


class StatementRowTwice(StatementUnreadable):
    code = "statement_row_twice"
    title_en = "The file names one record twice."
    title_zh = "文件中同一记录出现两次。"
    next_en = "Have the file made anew; each record stands in it once."
    next_zh = "请重新生成文件，每条记录只能出现一次。"


class StatementAltered(StatementUnreadable):
    code = "statement_altered"
    title_en = "The file's SM3 is not the one in its last line: it was changed after it was made."
    title_zh = "文件摘要与末行不一致，内容在生成后被修改。"
    next_en = "Do not use it; have it sent again."
    next_zh = "请勿使用，请重新获取文件。"


class StatementOfAnother(Refusal):
    kind = Kind.CONFLICT
    code = "statement_of_another"
    title_en = "The two files are of different institutions, channels or days."
    title_zh = "两个文件所属机构、渠道或业务日不同。"
    next_en = "Compare files of the same institution or channel and the same day."
    next_zh = "请使用同一机构或渠道、同一业务日的文件进行核对。"
