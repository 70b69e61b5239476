"use strict";

// Everything here is convenience: each page works without it.
(() => {
  const address = location.pathname + location.search;

  // A form is sent once; a page that comes back from the browser's memory can send again.
  const sendOnce = (form) => {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    });
    addEventListener("pageshow", () => {
      sent = false;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    });
  };

  // The app on the same phone puts the number behind #, which no server is sent.
  const takeNumber = (form) => {
    const given = /^#(\d{4})$/.exec(location.hash);
    if (!given) return;
    history.replaceState(null, "", address);
    form.elements.number.value = given[1];
    form.requestSubmit();
  };

  const countDown = (place, seconds) => {
    const end = performance.now() + seconds * 1000;
    const show = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      place.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      if (left > 0) setTimeout(show, 1000);
    };
    show();
  };

  // Ask every 2 seconds at first, then less often; at once when the page is looked at again; never after the end.
  const poll = (path, state, seconds, here) => {
    const end = performance.now() + seconds * 1000 + 1000;
    let wait = 2000;
    let timer = 0;
    const again = () => {
      clearTimeout(timer);
      timer = setTimeout(ask, Math.min(wait, Math.max(0, end - performance.now())));
    };
    const ask = async () => {
      if (performance.now() >= end) return location.replace(here);
      try {
        const answer = await fetch(path, { credentials: "same-origin", cache: "no-store" });
        if (!answer.ok) throw new Error("not now");
        if ((await answer.json()).state !== state) return location.replace(here);
        wait = Math.min(wait * 1.05, 5000);
      } catch {
        wait = Math.min(wait * 2, 20000);
      }
      again();
    };
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") ask();
    });
    again();
  };

  for (const form of document.querySelectorAll("form")) sendOnce(form);
  const number = document.querySelector("form[data-number]");
  if (number) takeNumber(number);
  const waiting = document.querySelector("[data-poll]");
  if (waiting) {
    const seconds = Number(waiting.dataset.seconds);
    countDown(waiting.querySelector("[data-left]"), seconds);
    poll(waiting.dataset.poll, waiting.dataset.state, seconds, waiting.dataset.here);
  }
  addEventListener("hashchange", () => location.reload());
})();
