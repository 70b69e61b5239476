"""What can be wrong with a signed request: a stable code for each mistake, and what to do, in Chinese and English."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong and how it is mended, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake that was found; ``detail`` says where, in words that hold nothing but what the developer gave."""

    code: str
    detail: str = ""

    @property
    def mistake(self) -> Mistake:
        return MISTAKES[self.code]


MISTAKES: Mapping[str, Mistake] = {
    # the header
    "not_signed": Mistake(
        "请求未签名，或同时使用了两种签名方式。", "The request is not signed, or in two forms at once: choose one form."
    ),
    "form_unreadable": Mistake(
        "无法按所用签名方式读取请求，原因见说明。",
        "The request cannot be read in the form it is signed in; the detail says why.",
    ),
    "scheme_misspelt": Mistake(
        "认证方案名称须为 ESSC-SM2-SM3，其后一个空格。",
        "The scheme is spelt ESSC-SM2-SM3, in capitals, with one space behind it.",
    ),
    "header_quoting": Mistake(
        '字段须写作 name="value"，以逗号分隔，逗号与等号两侧不留空格，使用英文双引号。',
        'Write each field as name="value", double quotes, a comma and nothing else between two of them.',
    ),
    "header_field_missing": Mistake("请求头缺少字段。", "The header lacks a field."),
    "header_field_unknown": Mistake("请求头含有未知字段。", "The header has a field that is not known here."),
    "header_field_doubled": Mistake("请求头字段重复。", "A field stands twice in the header."),
    "header_too_long": Mistake("请求头超过 512 个字符。", "The header has more than 512 characters."),
    "nonce_malformed": Mistake(
        "随机数须为 16 至 64 位字母、数字、- 或 _。", "A nonce has 16 to 64 letters, digits, dashes and underscores."
    ),
    # the spelling of the signature
    "signature_base64url": Mistake(
        "签名使用了 base64url，须使用标准 base64（+ 与 /，带 =）。",
        "The signature is written in base64url: use plain base64, with + and /, and = at the end.",
    ),
    "signature_hex": Mistake("签名使用了十六进制，须使用 base64。", "The signature is written in hex: use base64."),
    "signature_not_base64": Mistake(
        "签名不是规范的 base64（含换行、空格或多余字符）。",
        "The signature is not base64 in its one spelling: no line ends, no blanks, padded with =.",
    ),
    "signature_raw": Mistake(
        "签名为 r‖s 拼接，须使用 DER 编码（SEQUENCE 含两个 INTEGER）。",
        "The signature is r and s put together: spell it as DER, a SEQUENCE of two INTEGERs.",
    ),
    "signature_not_der": Mistake(
        "签名不是规范的 DER 编码，或 r、s 超出范围。",
        "The signature is not DER in its one spelling, or r or s is out of range.",
    ),
    # the clock
    "timestamp_milliseconds": Mistake(
        "时间戳为毫秒，须使用秒。", "The timestamp counts milliseconds: send whole seconds since 1970."
    ),
    "timestamp_malformed": Mistake(
        "时间戳须为 1970 年以来的整秒数。", "The timestamp is whole seconds since 1970, digits alone."
    ),
    "clock_off": Mistake(
        "签名时间与服务器时间相差超过 300 秒，请校准时钟（使用 UTC 时间戳）。",
        "The request was signed more than 300 seconds from now: set the clock; a time zone must not be added.",
    ),
    # app and key
    "app_unknown": Mistake(
        "没有该渠道，或无权查询。",
        "There is no such channel, or it may not be asked about here: see app_id.",
    ),
    "serial_unknown": Mistake(
        "该渠道没有此序列号的证书。", "The channel has no certificate of this serial number: see serial_no."
    ),
    "serial_spelling": Mistake(
        "序列号须为小写十六进制，无前导零和冒号。",
        "A serial number is written in small hex digits, without leading zeros and colons.",
    ),
    "key_withdrawn": Mistake("该证书已停用。", "This certificate was withdrawn: sign with another one."),
    "key_expired": Mistake("该证书已过期。", "This certificate is over: sign with another one."),
    "key_not_yet_valid": Mistake("该证书尚未生效。", "This certificate is not good yet."),
    "key_published": Mistake(
        "签名使用了公开的测试密钥（serial_no 7e57），仅对开发环境的沙箱渠道有效，请改用自己的密钥。",
        "The published test key (serial_no 7e57) signed this. It counts for channels in a development environment's"
        " sandbox alone: sign with a key of your own.",
    ),
    "key_of_other_certificate": Mistake(
        "签名由另一证书的密钥生成，serial_no 与密钥不符。",
        "The signature was made by the key of another certificate: serial_no and key do not belong together.",
    ),
    # the base string
    "method_case": Mistake("签名串中的请求方法须大写。", "The method is signed in capitals."),
    "lines_reordered": Mistake(
        "签名串各行顺序错误，须为：方法、路径、时间戳、随机数、正文。",
        "The lines stand in another order: method, path and query, timestamp, nonce, body.",
    ),
    "last_newline_missing": Mistake(
        "签名串末尾缺少换行，正文之后也须有换行。",
        "The last newline is missing: each line ends with one, the body too.",
    ),
    "newline_too_many": Mistake("签名串末尾多出换行。", "There is a newline too many at the end of the base string."),
    "crlf": Mistake("换行须为 \\n，而非 \\r\\n。", "Lines end with \\n alone, not with \\r\\n."),
    "newline_escaped": Mistake(
        "签名串中写入了反斜杠和字母 n，而非换行符。", "The lines are divided by a backslash and an n, not by a newline."
    ),
    "body_encoding": Mistake(
        "签名时正文使用了其他字符编码，须与发送的字节一致（UTF-8，无 BOM）。",
        "The body was signed in another encoding than it was sent in: sign the very bytes, UTF-8 without BOM.",
    ),
    "body_reserialised": Mistake(
        "签名后正文被重新序列化（空格、键顺序或转义不同），须对发送的字节签名。",
        "The body was written anew after it was signed (blanks, order of keys, escapes): sign the very bytes sent.",
    ),
    "body_missing": Mistake("签名串中缺少正文。", "The body was not signed."),
    "body_hashed": Mistake(
        "签名串中使用了正文摘要，须使用正文本身。",
        "A digest of the body was signed in its place: sign the body itself.",
    ),
    "query_missing": Mistake("签名串中缺少查询参数。", "The query was not signed: the second line is path?query."),
    "query_reordered": Mistake(
        "签名串中查询参数顺序与请求不同。", "The query was signed in another order than it was sent in."
    ),
    "query_escaping": Mistake(
        "签名串中路径或查询参数的转义与请求不同，须按请求行原样签名。",
        "Path or query was signed with other escapes than it was sent with: sign it as the request line has it.",
    ),
    "target_absolute": Mistake(
        "签名串中使用了完整网址，须只含路径与查询参数。",
        "The whole address was signed: the second line begins with the path.",
    ),
    "target_slash": Mistake("签名串中路径末尾的斜杠与请求不同。", "The path was signed with another slash at its end."),
    "timestamp_differs": Mistake(
        "签名串中的时间戳与请求头不同。", "The timestamp that was signed is not the one in the header."
    ),
    "nonce_differs": Mistake(
        "签名串中的随机数与请求头不同。", "The nonce that was signed is not the one in the header."
    ),
    "target_differs": Mistake(
        "签名串中的路径与请求不同。", "The path and query that were signed are not those of the request."
    ),
    "method_differs": Mistake("签名串中的方法与请求不同。", "The method that was signed is not the request's."),
    "body_differs": Mistake("签名串中的正文与请求不同。", "The body that was signed is not the one that was sent."),
    "base_differs": Mistake(
        "签名串与服务器计算的不同，见首个不同字节。",
        "The base string is not the one computed here: see the first byte that differs.",
    ),
    # how it was signed
    "user_id": Mistake(
        "计算 Z 值时使用了其他用户标识，须为 1234567812345678。",
        "Z was computed with another user id: it is 1234567812345678.",
    ),
    "hash_signed": Mistake(
        "对签名串的摘要再次签名，须直接对签名串签名。",
        "A hash of the base string was handed to the signing function: hand it the base string itself.",
    ),
    "digest_without_z": Mistake(
        "摘要计算缺少 Z 值，须为 SM3(Z‖M)。", "The digest was computed without Z: it is SM3 of Z and the base string."
    ),
    "sha256": Mistake("使用了 SHA-256，须使用 SM3。", "SHA-256 was used: the hash is SM3."),
    "halves_swapped": Mistake("签名中 r 与 s 顺序颠倒。", "r and s stand in the wrong order in the signature."),
    "form_not_agreed": Mistake(
        "签名正确，但该渠道未登记此签名方式。",
        "The signature is right, but the channel is not registered for this form.",
    ),
    "unexplained": Mistake(
        "签名与此请求及此密钥不符，未能找到具体原因；请提供您自己的签名串以便比较。",
        "The signature belongs to another message or another key; nothing tried here explains it. Send your own base"
        " string to have it compared.",
    ),
    "other_key": Mistake(
        "签名串相同，但签名不由该证书的密钥生成。",
        "Your base string is ours, byte for byte: so it was signed with another key than the certificate's.",
    ),
}
