// What is wrong with how the page looks, as a list of sentences. Run by tests/dashboard/looking.rs.
(() => {
  const faults = [], html = document.documentElement;
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && box.width > 1 && box.height > 1;
  };
  const name = (element) => {
    const own = element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") + (element.className && element.className.baseVal === undefined ? "." + element.className : "");
    return own + " “" + (element.textContent || element.value || "").trim().replace(/\s+/g, " ").slice(0, 40) + "”";
  };

  if (html.scrollWidth > html.clientWidth) faults.push(`the page is ${html.scrollWidth} wide in a window of ${html.clientWidth}`);

  // Its own text, and not that of what is inside of it.
  const texts = [...document.body.querySelectorAll("*")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "") && seen(element));
  // It can be scrolled to, or ends in three dots.
  const scrolls = (element) => {
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (/auto|scroll/.test(style.overflowX) || (style.overflowX === "hidden" && style.textOverflow === "ellipsis")) return true;
    }
    return false;
  };
  for (const element of texts) {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (style.overflowX === "hidden" && style.textOverflow !== "ellipsis" && element.scrollWidth > element.clientWidth + 1) {
      faults.push(`text is cut off: ${name(element)}`);
    }
    if (box.right > html.clientWidth + 1 && !scrolls(element)) faults.push(`beyond the right edge: ${name(element)}`);
    if (parseFloat(style.fontSize) < 12) faults.push(`text of ${style.fontSize}: ${name(element)}`);
  }

  // Contrast (WCAG 2.2, 1.4.3 and 1.4.11), of the colours behind each other.
  const forced = matchMedia("(forced-colors: active)").matches;
  const parse = (color) => {
    const [r, g, b, a = 1] = (color.match(/[\d.]+%?/g) || [0, 0, 0, 0]).map(parseFloat);
    return [r, g, b, a];
  };
  const over = (top, bottom) => [0, 1, 2].map((at) => top[at] * top[3] + bottom[at] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    const page = matchMedia("(prefers-color-scheme: dark)").matches ? [0, 0, 0, 1] : [255, 255, 255, 1];
    return layers.reduceRight((below, layer) => over(layer, below), page);
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => { part /= 255; return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  if (!forced) {
    for (const element of texts) {
      const ground = behind(element), style = getComputedStyle(element);
      const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), ground);
      const found = ratio(ink, ground);
      if (found < 4.5) faults.push(`contrast of ${found.toFixed(2)}: ${name(element)}`);
    }
    for (const control of document.querySelectorAll("input, select, textarea, button")) {
      const style = getComputedStyle(control);
      if (!seen(control) || control.type === "checkbox" || control.type === "radio" || parseFloat(style.borderTopWidth) === 0) continue;
      const ground = behind(control.parentElement), found = ratio(over(parse(style.borderTopColor), ground), ground);
      if (found < 3) faults.push(`border with a contrast of ${found.toFixed(2)}: ${name(control)}`);
    }
  }

  // Targets (2.5.8), names (4.1.2, 1.1.1), tables (1.3.1).
  // A small one needs room around it: a circle of 24 pixels that touches no other target.
  const targets = [...document.querySelectorAll("a[href], button, select, summary, input:not([type=hidden])")].filter(seen);
  const area = (target) => (target.closest("label") || target).getBoundingClientRect();
  for (const target of targets) {
    const box = area(target);
    if (target.tagName === "A" || box.height >= 24 || box.width >= 24) continue;
    const x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
    const touches = (other) => {
      const { left, right, top, bottom } = area(other);
      return Math.hypot(x - Math.max(left, Math.min(x, right)), y - Math.max(top, Math.min(y, bottom))) < 12;
    };
    if (targets.some((other) => other !== target && touches(other))) faults.push(`a target of ${box.width}×${box.height}: ${name(target)}`);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]):not([type=submit]), select, textarea")) {
    if (!field.labels?.length && !field.getAttribute("aria-label") && !field.title) faults.push(`a field without a name: ${field.outerHTML.slice(0, 80)}`);
  }
  for (const button of document.querySelectorAll("button, a[href]")) {
    if (seen(button) && !(button.textContent.trim() || button.getAttribute("aria-label") || button.title)) faults.push(`nothing to read on ${button.outerHTML.slice(0, 80)}`);
  }
  for (const head of document.querySelectorAll("th:not([scope])")) faults.push(`a heading of a table without a scope: ${name(head)}`);
  for (const chart of document.querySelectorAll("svg")) {
    const told = chart.getAttribute("aria-hidden") === "true" || chart.getAttribute("aria-label") || chart.getAttribute("aria-labelledby") || chart.querySelector("title");
    if (!told) faults.push(`a chart that says nothing: ${chart.outerHTML.slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`the id ${id} more than once`);
  if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} headings of the page`);
  if (!document.querySelector("main")) faults.push("no main part");
  if (!html.lang) faults.push("no language");
  if (document.title.trim() === "") faults.push("no title");

  // Where the content begins.
  const top = document.querySelector("main")?.firstElementChild?.getBoundingClientRect().top + scrollY;
  const limit = document.querySelector("[data-problems], .problems") ? 112 : 72;
  if (innerWidth >= 720 && top > limit) faults.push(`the content begins at ${top}, of at most ${limit}`);
  return faults;
})()
