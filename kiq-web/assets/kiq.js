// Live updates, keys, ranges of ticks. Every page works without it.
"use strict";
(() => {
  const body = document.body, root = body.dataset.root, regions = [...document.querySelectorAll("[data-live]")];
  const waiting = new Map();
  let stream = null, heard = 0, paused = false;

  // Live: one stream for the page. What holds the focus, ticks, an open row or marked text waits until asked for.
  const label = (text, title) => {
    const state = document.getElementById("state");
    if (state) { state.textContent = text; state.title = title; }
  };
  const age = () => Math.round((Date.now() - heard) / 1000);
  const tell = () => {
    const stale = !paused && stream !== null && age() > 8;
    body.classList.toggle("stale", stale);
    if (paused) label("◌ paused", "Click to go on");
    else if (stale) label("▲ stale " + age() + " s", "No news from the server; trying again");
    else if (stream !== null && heard > 0) label("● live", "Click to pause");
  };
  const busy = (region) => {
    const chosen = document.getSelection();
    return region.contains(document.activeElement) || region.querySelector("details[open], input:checked") !== null
      || (chosen && !chosen.isCollapsed && region.contains(chosen.anchorNode));
  };
  const put = (region, html) => { region.innerHTML = html; waiting.delete(region); offer(); ready(region); };
  const offer = () => {
    let button = document.getElementById("waiting");
    const main = [...waiting.keys()].filter((region) => region.dataset.live !== "summary");
    if (main.length === 0) { if (button) button.remove(); return; }
    if (!button) {
      button = document.createElement("button");
      button.id = "waiting"; button.className = "waiting"; button.type = "button";
      button.addEventListener("click", () => { for (const [region, html] of [...waiting]) put(region, html); });
      main[0].before(button);
    }
    button.textContent = "Changed meanwhile · show";
  };
  const open = () => {
    if (stream || paused || document.hidden || regions.length === 0) return;
    const on = regions.map((region) => region.dataset.live).join(",");
    const about = new URLSearchParams({ on, root, home: body.dataset.home, path: body.dataset.path, query: location.search.slice(1) });
    stream = new EventSource(root + "events?" + about);
    heard = heard || Date.now();
    const news = () => { heard = Date.now(); tell(); };
    stream.addEventListener("same", news);
    stream.addEventListener("stale", () => { heard = Math.min(heard, Date.now() - 9000); tell(); });
    for (const region of regions) stream.addEventListener(region.dataset.live, (event) => {
      if (busy(region)) { waiting.set(region, event.data); offer(); } else put(region, event.data);
      news();
    });
  };
  const close = () => { if (stream) stream.close(); stream = null; };
  const pause = () => { paused = !paused; if (paused) close(); else { heard = 0; open(); } tell(); };
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); tell(); });
  document.addEventListener("click", (event) => { if (event.target.id === "state") pause(); });
  addEventListener("pagehide", close);
  setInterval(tell, 1000);

  // Ticks: with shift, from the last one to this one. A form with data-ticks counts them on its buttons.
  let last = null;
  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || box.type !== "checkbox") return;
    const boxes = [...document.querySelectorAll("input[type=checkbox][name='" + CSS.escape(box.name) + "']")];
    if (box.dataset.all !== undefined) document.querySelectorAll(box.dataset.all).forEach((other) => { other.checked = box.checked; });
    else if (event.shiftKey && last && boxes.includes(last)) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((other) => { other.checked = box.checked; });
    }
    last = box;
    document.dispatchEvent(new CustomEvent("kiq:ticked"));
  });

  // Copy: the text of what data-copy names.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = document.querySelector(button.dataset.copy);
    const text = from ? from.textContent : button.dataset.copy;
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; } catch { getSelection().selectAllChildren(from || button); }
  });

  // Keys: never while typing, and not at all when switched off in the help (WCAG 2.1.4).
  const off = () => { try { return localStorage.getItem("kiq-keys") === "off"; } catch { return false; } };
  const places = { o: "", b: "busy", q: "queues", r: "retries", s: "scheduled", d: "dead", m: "metrics", j: "jobs" };
  let went = false, row = null;
  const rows = () => [...document.querySelectorAll("main table.rows tbody tr")];
  const step = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const at = row && all.includes(row) ? all.indexOf(row) + by : 0;
    if (row) row.removeAttribute("aria-selected");
    row = all[Math.max(0, Math.min(at, all.length - 1))];
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
  };
  const press = (selector) => { const found = document.querySelector(selector); if (found) found.click(); };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (event.key === "Escape") {
      if (typing) event.target.blur();
      document.querySelectorAll("details[open].menu").forEach((menu) => { menu.open = false; });
      return;
    }
    if (typing || off()) return;
    const key = event.key;
    if (went) { went = false; if (key in places) location.href = places[key] ? root + places[key] : body.dataset.home; return; }
    const box = row && row.querySelector("input[type=checkbox]");
    const acts = {
      g: () => { went = true; }, "/": () => document.querySelector(".search input")?.focus(), f: () => document.querySelector("main input[name=q]")?.focus(),
      j: () => step(1), k: () => step(-1), Enter: () => row && row.querySelector("a")?.click(), x: () => box && box.click(),
      X: () => box && box.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true })),
      "*": () => press("input[data-all]"), r: () => press("[data-key=retry]"), K: () => press("[data-key=kill]"), "#": () => press("[data-key=delete]"),
      n: () => press("[rel=next]"), p: () => press("[rel=prev]"), ".": pause, "?": () => { location.href = root + "help"; },
    };
    if (key === "Enter" && event.target !== body && event.target.id !== "content") return;
    if (key in acts) { event.preventDefault(); acts[key](); }
  });

  // The switch of the help, and what a region brings along.
  const ready = (where) => {
    const box = where.querySelector("#keys-off");
    if (box) {
      box.closest("[hidden]")?.removeAttribute("hidden");
      box.checked = off();
      box.addEventListener("change", () => { try { localStorage.setItem("kiq-keys", box.checked ? "off" : "on"); } catch { /* no storage, no memory */ } });
    }
    const state = where.querySelector("#state");
    if (state) tell();
  };
  ready(document);
  open();
})();
