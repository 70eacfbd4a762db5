"use strict";
(() => {
  const ANSWER_OF_KEY = { m: "match", n: "no_match", u: "unsure" };
  // An answer that comes sooner was meant for the pair before.
  const LEAST_LOOK = 150;
  const at = (id) => document.getElementById(id);
  let state = null, busy = true, shownAt = 0;

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  // Values only ever become the text of nodes.
  const value = (runs, kind) => {
    const cell = element("td", undefined, kind);
    for (const [text, differs] of runs) cell.append(differs ? element("mark", text) : text);
    return cell;
  };
  const say = (text, isBad) => {
    at("said").textContent = text;
    at("said").className = isBad ? "bad" : "";
  };
  const enable = () => {
    for (const button of document.querySelectorAll("[data-answer]")) button.disabled = busy || !state || state.number === null;
    at("undo").disabled = busy || !state || !state.can_undo;
  };
  const show = (found) => {
    state = found;
    at("bar").max = Math.max(found.pairs, 1);
    at("bar").value = found.pairs - found.left;
    at("progress").textContent = found.progress;
    at("advice").textContent = found.advice;
    at("kept").textContent = "Answers of " + found.who + " are kept in " + found.journal + ".";
    const isDone = found.number === null;
    at("question").textContent = !isDone ? "Do these two belong together?" : found.pairs ? "The queue is done" : "There are no pairs to judge";
    at("why").textContent = isDone ? "The next run learns from the answers and makes a new queue. Close this page, and stop the command with Ctrl-C." : "Why: " + found.why;
    const [names, ...rows] = found.rows;
    const head = element("tr");
    if (names) {
      for (const text of ["", "", names.left.map((run) => run[0]).join(""), names.right.map((run) => run[0]).join("")]) head.append(element("th", text));
    }
    document.querySelector("#pair thead").replaceChildren(...(names ? [head] : []));
    document.querySelector("#pair tbody").replaceChildren(...rows.map((row) => {
      const line = element("tr");
      line.dataset.mark = row.mark;
      const mark = element("td", row.mark);
      mark.setAttribute("aria-label", { "=": "same", "~": "close", "≠": "different", "-": "missing" }[row.mark]);
      line.append(mark, element("td", row.field), value(row.left, "left"), value(row.right, "right"));
      return line;
    }));
    shownAt = performance.now();
    document.body.dataset.shown = isDone ? "done" : String(found.number);
  };
  const call = async (path, body) => {
    busy = true;
    enable();
    const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    try {
      const answered = await fetch(path, { cache: "no-store", ...options });
      const found = await answered.json();
      if (found.rows) show(found);
      say(found.error || (found.said ? "→ " + found.said : ""), Boolean(found.error));
    } catch {
      say("The session has ended: the command er-pipeline label was stopped. What was answered is kept.", true);
    }
    busy = false;
    enable();
  };
  const answer = (said) => {
    if (busy || !state || state.number === null || performance.now() - shownAt < LEAST_LOOK) return;
    call("answer", { number: state.number, answer: said });
  };
  const undo = () => {
    if (!busy && state && state.can_undo) call("undo", {});
  };

  for (const button of document.querySelectorAll("[data-answer]")) button.addEventListener("click", () => answer(button.dataset.answer));
  at("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key in ANSWER_OF_KEY) answer(ANSWER_OF_KEY[key]);
    else if (key === "z") undo();
  });
  // Another window may have answered meanwhile.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !busy) call("state");
  });
  call("state");
})();
