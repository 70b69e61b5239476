// What the app says, in Chinese and in English.

export interface Words {
  zh: string;
  en: string;
}

export const RESULTS: Record<string, Words> = {
  "001": { zh: "签发成功：首次在本应用开通。", en: "Your electronic card is signed in this app." },
  "002": { zh: "签发成功：此前已在其他应用签发，或密码已重置。", en: "Signed. The card was signed elsewhere before, or its password was reset." },
  "003": { zh: "已解除关联。", en: "The card is no longer in this app." },
  "004": { zh: "电子社保卡密码验证成功，卡已在本应用中。", en: "Password checked; the card was in this app already." },
  "005": { zh: "支付功能已开通。", en: "Payment is opened." },
  "006": { zh: "状态已在其他渠道变更，现已同步。", en: "The card's state was changed elsewhere; this app is up to date." },
  loss: { zh: "已挂失。实体卡和电子社保卡均已暂停使用。", en: "Reported lost: the chip card and the electronic card are stopped." },
};

export const STATES: Record<string, Words> = {
  pending: { zh: "待签发", en: "pending" },
  active: { zh: "正常", en: "in use" },
  suspended: { zh: "已暂停", en: "stopped" },
  revoked: { zh: "已解除", en: "ended" },
};

export const PURPOSES: Record<string, Words> = {
  medical: { zh: "就医购药", en: "medical" },
  merchant: { zh: "商户", en: "merchant" },
  identity: { zh: "身份凭证", en: "identity" },
  gate: { zh: "通行", en: "gate" },
  test: { zh: "测试", en: "test" },
};

export const NOTES = {
  empty: { zh: "尚未添加电子社保卡。", en: "No card in this app yet." },
  needsL3: {
    zh: "开通支付需要 L3 等级：请持实体卡在自助终端或服务窗口完成读卡认证。",
    en: "Payment needs level L3: have your chip card read at a terminal or a counter.",
  },
  silent: {
    zh: "社保卡服务暂时没有答复，以下为上次同步的状态。",
    en: "The card service does not answer now; this is how your card stood when it last did.",
  },
  unanswered: {
    zh: "您的申请尚未得到答复，正在自动确认。急需挂失请同时拨打 12333。",
    en: "What you asked for was not answered yet and is being asked again. If the card is lost, call 12333 as well.",
  },
  notDone: {
    zh: "您上次的申请未得到确认，请重新办理；急需挂失请拨打 12333。",
    en: "What you asked for last was not confirmed: please do it again. If the card is lost, call 12333.",
  },
  recovered: {
    zh: "本应用的数据已恢复。请重新关联一次，以确认哪张卡是您的；不会产生第二张卡。",
    en: "This app's records were restored. Link your card once more, so that it is known which one is yours; it stays one card.",
  },
  relink: {
    zh: "您的卡与本应用的关联已失效，正在前往社保卡服务重新关联。您的卡不受影响，也不会产生第二张卡。",
    en: "The link between your card and this app has ended: you are being taken to the card service to link it again. It stays one card.",
  },
} satisfies Record<string, Words>;

const STOPPED = { zh: "电子社保卡已挂失或暂停使用，请返回首页查看状态。", en: "The card is stopped: reported lost, or paused." };
const PROBLEMS: Record<string, Words> = {
  access_denied: { zh: "您未同意授权。", en: "You did not agree." },
  unmet_authentication_requirements: NOTES.needsL3,
  level_too_low: NOTES.needsL3,
  invalid_scope: NOTES.needsL3,
  journey: { zh: "本次操作已取消或已过期，请重新开始。", en: "This was cancelled or took too long: please begin again." },
  other_holder: { zh: "登录的不是本应用中这张卡的持卡人。", en: "Another holder has logged in than this card's." },
  stopped: STOPPED,
  electronic_card_suspended: STOPPED,
  carriage_paused: STOPPED,
  not_linked: { zh: "本应用中没有您的电子社保卡。", en: "There is no card of yours in this app." },
  sign_in: { zh: "为保护您的卡，请重新登录后再试。", en: "To protect your card, please sign in again." },
  wrong_password: { zh: "账号或密码不正确。", en: "Name or password is wrong." },
  bad_request: { zh: "请返回首页重试。", en: "Please go back and try again." },
  rate_limited: { zh: "操作过于频繁，请稍后再试。", en: "Too many requests; please wait a little." },
  unanswered: NOTES.unanswered,
  fault: { zh: "暂时无法办理，请稍后再试。", en: "This cannot be done now; please try again later." },
};

/** Say what went wrong; a code without words of its own is told as it is. */
export function problemOf(code: string): Words {
  const known = Object.hasOwn(PROBLEMS, code) ? PROBLEMS[code] : undefined;
  return known ?? { zh: `操作未成功（${code}）。`, en: `This did not succeed (${code}).` };
}

/** Find words, or tell a name that is not known as it is. */
export function wordsOf(table: Record<string, Words>, name: unknown): Words {
  const key = String(name ?? "");
  return (Object.hasOwn(table, key) ? table[key] : undefined) ?? { zh: key, en: key };
}
