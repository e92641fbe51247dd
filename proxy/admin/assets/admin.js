// Keeps the page live: server-sent events carry the sections that changed, as HTML the server rendered. Where they do not
// work, the same is polled. Without this script the page reloads itself.
"use strict";

(function () {
  const pollEvery = 2000;
  const lostAfter = 5000;
  const live = document.getElementById("live");
  const liveText = document.getElementById("live-text");
  const call = document.getElementById("call");
  const parser = new DOMParser();
  let source = null;
  let poll = 0;
  let heard = Date.now();

  function show(state, text) {
    if (live.dataset.state !== state) live.dataset.state = state;
    if (liveText.textContent !== text) liveText.textContent = text;
    document.body.classList.toggle("old", state === "lost");
  }

  // patch makes one node like another and touches only what differs, so that focus, selection and open details stay.
  function patch(have, want) {
    if (have.nodeType !== want.nodeType || have.nodeName !== want.nodeName || (have.id || "") !== (want.id || "")) {
      have.replaceWith(want);
      return;
    }
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.data !== want.data) have.data = want.data;
      return;
    }
    for (const a of Array.from(have.attributes)) {
      if (!want.hasAttribute(a.name) && !(a.name === "open" && have.nodeName === "DETAILS")) have.removeAttribute(a.name);
    }
    for (const a of want.attributes) {
      if (have.getAttribute(a.name) !== a.value) have.setAttribute(a.name, a.value);
    }
    patchChildren(have, want);
  }

  function patchChildren(have, want) {
    let at = have.firstChild;
    for (const child of Array.from(want.childNodes)) {
      if (child.id && (!at || at.id !== child.id)) {
        const known = Array.from(have.children).find((c) => c.id === child.id);
        if (known) {
          have.insertBefore(known, at);
          at = known;
        } else {
          have.insertBefore(child, at);
          continue;
        }
      }
      if (!at || (at.id && !child.id)) {
        have.insertBefore(child, at); // what has an id may be wanted further on
        continue;
      }
      const next = at.nextSibling;
      patch(at, child);
      at = next;
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  }

  function apply(sections) {
    heard = Date.now();
    for (const id of Object.keys(sections)) {
      const section = document.getElementById(id);
      if (!section || !section.hasAttribute("data-section")) continue;
      patchChildren(section, parser.parseFromString(sections[id], "text/html").body);
    }
    const headline = document.querySelector("[data-title]");
    if (!headline) return;
    if (document.title !== headline.dataset.title) document.title = headline.dataset.title;
    if (call.textContent !== headline.dataset.call) call.textContent = headline.dataset.call;
  }

  async function pollOnce() {
    try {
      const answer = await fetch("/sections", { cache: "no-store", redirect: "error" });
      if (answer.status === 401) {
        window.location.reload();
        return;
      }
      if (!answer.ok) throw new Error(answer.statusText);
      apply(await answer.json());
      show("poll", "live, every 2 s");
      if (!source) listenSoon();
    } catch (e) {
      lost();
    }
  }

  function lost() {
    const silent = Date.now() - heard;
    if (silent > lostAfter) show("lost", "no contact for " + Math.round(silent / 1000) + " s");
  }

  function startPolling() {
    if (!poll) poll = window.setInterval(pollOnce, pollEvery);
  }

  function stopPolling() {
    window.clearInterval(poll);
    poll = 0;
  }

  let retry = 0;
  function listenSoon() {
    if (!retry) {
      retry = window.setTimeout(function () {
        retry = 0;
        if (!document.hidden) listen();
      }, 15000);
    }
  }

  function listen() {
    if (source || !window.EventSource) return;
    source = new EventSource("/events");
    source.addEventListener("sections", function (e) {
      stopPolling();
      apply(JSON.parse(e.data));
      show("live", "live");
    });
    source.onerror = function () {
      if (source && source.readyState === EventSource.CLOSED) source = null;
      startPolling();
    };
  }

  function hush() {
    if (source) source.close();
    source = null;
    stopPolling();
  }

  document.addEventListener("visibilitychange", function () {
    if (document.hidden) {
      hush();
      return;
    }
    heard = Date.now();
    startPolling();
    listen();
  });

  window.setInterval(function () {
    if (!document.hidden) lost();
  }, 1000);

  // Buttons ask for an action, once it has been said what that does. The dialog then shows what came of it.
  const sure = document.getElementById("sure");
  const title = document.getElementById("sure-title");
  const text = document.getElementById("sure-text");
  const yes = document.getElementById("sure-yes");
  const no = document.getElementById("sure-no");
  let wanted = null;

  document.addEventListener("click", function (e) {
    const button = e.target.closest("button[data-action]");
    if (!button) return;
    wanted = { action: button.dataset.action, node: button.dataset.node };
    title.textContent = button.textContent + ": " + wanted.node;
    text.textContent = button.dataset.confirm;
    yes.textContent = button.textContent;
    yes.hidden = false;
    yes.disabled = false;
    no.textContent = "Leave it";
    sure.showModal();
  });

  no.addEventListener("click", function () {
    sure.close();
  });

  yes.addEventListener("click", async function () {
    yes.disabled = true;
    try {
      const answer = await fetch("/api/actions/" + wanted.action, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ node: wanted.node }),
        redirect: "error",
      });
      const told = await answer.json();
      text.textContent = told.result || told.error || answer.statusText;
    } catch (e) {
      text.textContent = "Galley cannot be reached.";
    }
    yes.hidden = true;
    no.textContent = "Close";
    no.focus();
  });

  if (!window.EventSource) startPolling();
  listen();
})();
