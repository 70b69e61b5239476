// Counts a code's seconds down and asks for the next one shortly before its end, while the page is looked at.
"use strict";

const EARLY = 5; // seconds

function begin() {
  const shown = document.getElementById("shown");
  const until = Date.now() + Number(shown.dataset.seconds) * 1000;
  const timer = setInterval(async () => {
    const left = Math.max(0, Math.round((until - Date.now()) / 1000));
    document.getElementById("left").textContent = String(left);
    if (left > EARLY || document.hidden) return;
    clearInterval(timer);
    try {
      await renew();
      begin();
    } catch {
      location.assign("/card"); // no network: the page says so itself
    }
  }, 500);
}

async function renew() {
  const form = document.querySelector("button.again").form;
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.getElementById("shown");
  if (!next) throw new Error("no code");
  document.getElementById("shown").replaceWith(next);
}

begin();
