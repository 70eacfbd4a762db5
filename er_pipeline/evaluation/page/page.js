"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  // ast: expressions are interpreted, so that the page needs no eval; the loader loads nothing.
  const options = { renderer: "svg", actions: false, ast: true, tooltip: { theme }, loader: { load: () => Promise.reject(new Error("this page loads nothing")) } };
  const draw = (place, spec) => vegaEmbed(place, spec, options).catch((error) => {
    place.textContent = "This picture could not be drawn: " + error.message;
    console.error(error);
  });
  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const waiting = [];
  for (const place of document.querySelectorAll(".chart")) waiting.push(draw(place, data[place.id]));

  const signed = (bits) => (bits > 0 ? "+" : "") + bits.toFixed(2);
  const steps = (pair) => {
    let at = 0;
    const rows = pair.terms.map((term) => {
      const from = at;
      at += term.bits;
      return { name: term.name + (term.level ? ": " + term.level : ""), from, to: at, end: Math.max(from, at), bits: signed(term.bits), kind: term.bits < 0 ? "against one" : "for a match" };
    });
    rows.push({ name: "sum: probability " + pair.probability, from: 0, to: at, end: Math.max(0, at), bits: signed(at), kind: "sum" });
    return rows;
  };
  for (const viewer of document.querySelectorAll(".viewer")) {
    const { chart, pairs } = data[viewer.id];
    const choice = viewer.querySelector("select");
    const [previous, next] = ["previous", "next"].map((kind) => viewer.querySelector("." + kind));
    pairs.forEach((pair, place) => {
      const option = element("option", signed(pair.weight) + " bits: " + pair.left + " and " + pair.right);
      option.value = place;
      choice.append(option);
    });
    const show = (place) => {
      const pair = pairs[place];
      choice.value = place;
      previous.disabled = place === 0;
      next.disabled = place === pairs.length - 1;
      viewer.querySelector(".said").textContent = pair.left + " and " + pair.right + ": probability " + pair.probability + ", " + signed(pair.weight) + " bits; " + (pair.strategies === null ? "no candidate pair." : "proposed by " + pair.strategies + ".");
      const table = element("table"), head = element("tr"), body = element("tbody");
      for (const name of ["", "field", pair.left, pair.right]) head.append(element("th", name));
      for (const value of pair.values) {
        const row = element("tr", undefined, value.is_equal ? "equal" : "");
        row.append(element("td", value.is_equal ? "=" : ""));
        for (const name of ["field", "left", "right"]) row.append(element("td", value[name]));
        body.append(row);
      }
      const top = element("thead");
      top.append(head);
      table.append(top, body);
      viewer.querySelector(".values").replaceChildren(table);
      return draw(viewer.querySelector(".waterfall"), { ...chart, data: { ...chart.data, values: steps(pair) } });
    };
    choice.addEventListener("change", () => show(Number(choice.value)));
    previous.addEventListener("click", () => show(Number(choice.value) - 1));
    next.addEventListener("click", () => show(Number(choice.value) + 1));
    // The first one that is neither certain nor hopeless is the one to look at.
    const nearest = pairs.reduce((best, pair, place) => Math.abs(pair.weight) < Math.abs(pairs[best].weight) ? place : best, 0);
    waiting.push(show(nearest));
  }
  Promise.all(waiting).then(() => { document.documentElement.dataset.drawn = waiting.length; });
  addEventListener("beforeprint", () => { for (const fold of document.querySelectorAll("details")) fold.open = true; });
})();
