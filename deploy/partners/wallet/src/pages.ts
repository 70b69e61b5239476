// The pages of the app, zh-CN, for a phone: no script, nothing from anywhere else.
import type { ShownUses } from "ecard-client";
import type { Row } from "./database.ts";
import { drawCode } from "./picture.ts";
import { NOTES, PURPOSES, RESULTS, STATES, type Words, wordsOf } from "./words.ts";

const ONWARD_SECONDS = 4;

export const STYLE = `
:root { color-scheme: light; font: 17px/1.6 system-ui, "PingFang SC", "Noto Sans CJK SC", sans-serif; }
body { margin: 0; background: #eef3fb; color: #14213d; }
main { max-width: 26rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.2rem; }
section { background: #fff; border-radius: .8rem; padding: 1rem; margin: 0 0 1rem; }
form { margin: .5rem 0; }
label { display: block; margin: .5rem 0; }
input { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; border: 1px solid #8aa; border-radius: .5rem; }
button, .button { font: inherit; display: block; width: 100%; box-sizing: border-box; padding: .7rem; border: 0; border-radius: .6rem;
  background: #1656b8; color: #fff; text-align: center; text-decoration: none; min-height: 44px; }
button.quiet { background: #e3e9f3; color: #14213d; }
button.grave { background: #b3261e; }
:focus-visible { outline: 3px solid #f7a600; outline-offset: 2px; }
svg { width: 100%; height: auto; background: #fff; }
ul { list-style: none; padding: 0; } li { padding: .4rem 0; border-top: 1px solid #dde; }
.note { color: #44506a; } .problem { color: #8a1c16; } [lang="en"] { font-size: .85rem; }
`;

function escape(text: unknown): string {
  return String(text ?? "").replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function page(title: string, content: string, more = ""): string {
  return `<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} · 示范钱包</title><link rel="stylesheet" href="/style.css">${more}</head><body><main><h1>${escape(title)}</h1>${content}</main></body></html>`;
}

/** Say something in both languages. */
function say(words: Words, look = "note", more = ""): string {
  return `<p class="${look}"${more}>${escape(words.zh)}<br><span lang="en">${escape(words.en)}</span></p>`;
}

export function signInPage(problem?: Words): string {
  const told = problem ? say(problem, "problem", ' role="alert"') : "";
  return page(
    "登录示范钱包",
    `<section>${told}<form method="post" action="/sign-in"><label>账号<input name="name" autocomplete="username" required></label>
<label>密码<input name="password" type="password" autocomplete="current-password" required></label><button>登录</button></form></section>`,
  );
}

export function homePage(card: Row | undefined, notes: Words[], anti: string): string {
  const isCarried = card && ["active", "suspended"].includes(String(card.state));
  const told = notes.map((note) => say(note, "note", ' role="status"')).join("");
  return page(
    "我的电子社保卡",
    `${told && `<section>${told}</section>`}<section>${card ? standing(card) : say(NOTES.empty)}</section>` +
      `<section>${isCarried ? carried(card, anti) : act("link", "添加电子社保卡", anti)}</section>` +
      `<section><form method="post" action="/sign-out">${hidden(anti)}<button class="quiet">退出登录</button></form></section>`,
  );
}

function standing(card: Row): string {
  const result = card.result ? say(wordsOf(RESULTS, card.result), "note", ` id="result" data-result="${escape(card.result)}"`) : "";
  const state = wordsOf(STATES, card.state);
  const level = card.level ? `（等级 ${escape(card.level)}）` : "";
  const payment = card.payment_opened ? "已开通" : "未开通";
  return (
    `<p id="card" data-state="${escape(card.state)}" data-standing="${escape(card.standing)}">状态：<strong>${state.zh}</strong>` +
    `${level}<br>支付：${payment} <span lang="en">${state.en}</span></p>${result}`
  );
}

function carried(card: Row, anti: string): string {
  const usable = card.state === "active";
  return (
    (usable ? '<p><a class="button" href="/code">出示二维码</a></p>' : "") +
    '<p><a class="button" href="/uses">使用记录</a></p>' +
    (usable && !card.payment_opened ? payment(card, anti) : "") +
    (usable && card.level === "L3" ? act("check_password", "验证电子社保卡密码", anti, "quiet") : "") +
    (usable ? act("report_loss", "挂失社保卡", anti, "grave") : "") +
    act("unlink", "解除关联", anti, "quiet")
  );
}

function payment(card: Row, anti: string): string {
  return card.level === "L3" ? act("pay", "开通支付", anti, "quiet") : say(NOTES.needsL3, "note", ' id="needs-l3"');
}

function act(purpose: string, text: string, anti: string, look = ""): string {
  return `<form method="post" action="/go/${purpose}">${hidden(anti)}<button class="${look}">${text}</button></form>`;
}

function hidden(anti: string): string {
  return `<input type="hidden" name="anti" value="${escape(anti)}">`;
}

/** The page draws a fresh code by itself before the old one ends. */
export function codePage(digits: string, life: number): string {
  const again = `<meta http-equiv="refresh" content="${Math.max(5, life - 5)}">`;
  const text = digits.replace(/(.{4})/g, "$1 ");
  const below = digits.length <= 20 ? `<p>${escape(text)}</p>` : "";
  return page("出示二维码", `<section>${drawCode(digits)}${below}<p class="note">请向扫码设备出示。二维码会自动更新。</p></section>${HOME}`, again);
}

export function usesPage(uses: ShownUses): string {
  const rows = uses.items.map(
    (use) => `<li>${escape(use.redeemed_at)}<br>${escape(use.institution)} · ${escape(wordsOf(PURPOSES, use.purpose).zh)}</li>`,
  );
  return page("使用记录", `<section>${rows.length ? `<ul>${rows.join("")}</ul>` : "<p>暂无记录。</p>"}</section>${HOME}`);
}

export function problemPage(problem: Words): string {
  return page("未完成", `<section>${say(problem, "problem", ' role="alert"')}</section>${HOME}`);
}

/** Tell why the customer is sent to the card's login page, and go there in a moment without another tap. */
export function onwardPage(words: Words, address: string): string {
  const again = `<meta http-equiv="refresh" content="${ONWARD_SECONDS};url=${escape(address)}">`;
  const now = `<p><a class="button" id="onward" href="${escape(address)}">立即前往</a></p>`;
  return page("重新关联", `<section>${say(words, "note", ' role="status"')}${now}</section>${HOME}`, again);
}

const HOME = '<p><a class="button" href="/">返回首页</a></p>';
