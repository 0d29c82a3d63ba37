// Query by query. Data come in chunks, data/KIND-NUMBER.js, since a browser reads scripts from a
// disk, but no JSON. Whatever they hold is put on the page as text, never as HTML.
"use strict";

const chunks = new Map();
const byId = (id) => document.getElementById(id);

/** What every chunk calls. */
function explorerData(kind, number, content) {
  chunks.get(`${kind}-${number}`).resolve(content);
}

/** A chunk, loaded when it is first asked for. */
function load(kind, number) {
  const key = `${kind}-${number}`;
  if (!chunks.has(key)) {
    const chunk = {};
    chunk.promise = new Promise((resolve, reject) => {
      chunk.resolve = resolve;
      const script = document.createElement("script");
      script.src = `data/${kind}-${String(number).padStart(3, "0")}.js`;
      script.onerror = () => reject(new Error(`${script.getAttribute("src")} cannot be read; copy the whole folder.`));
      document.head.append(script);
    });
    chunks.set(key, chunk);
  }
  return chunks.get(key).promise;
}

/** An element, with attributes, and children that are elements or text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

let about;
let rows; // one per query: id, language, text, map and second measure and kinds of A (and B), place
let table;
let shownSort = "second";
let listAt = 0; // where the page was scrolled to when a query was opened
const wide = matchMedia("(min-width: 60rem)");

const state = () => ({ a: Number(byId("a").value), b: byId("b").value === "" ? null : Number(byId("b").value) });
const number = (value, digits) => (value === null || value === undefined ? "–" : Number.isInteger(value) && digits < 4 ? String(value) : value.toFixed(digits));
const tag = (language) => about.languages[language].tag;
const has = (kinds, place) => kinds !== null && (kinds >> place) % 2 === 1;
const address = (id) => `#${encodeURIComponent(id)}`;
const secondText = (value) => `${about.second.title.replace(/^R/, "r")} ${number(value, about.second.digits)}`;
const kindNames = (kinds) => about.failures.filter((_, place) => has(kinds, place)).join("; ");

function chip(language, own) {
  const { code, name } = about.languages[language];
  return make("span", { class: own ? "chip own" : "chip", title: name }, code);
}

function link(row, longest = 200) {
  const text = row.text || row.id;
  const short = text.length > longest ? `${Array.from(text).slice(0, longest).join("")}…` : text;
  const attributes = { href: address(row.id), class: "text", dir: "auto" };
  return make("a", row.text ? { ...attributes, lang: tag(row.language) } : attributes, short);
}

/** The rows for the models that are chosen. */
function choose() {
  const { a, b } = state();
  for (const row of rows) {
    [row.mapA, row.secondA, row.kinds] = row.models[a] ?? [null, null, null];
    [row.mapB, row.secondB] = (b === null ? null : row.models[b]) ?? [null, null];
    row.fell = row.mapA === null || row.mapB === null ? null : row.mapA - row.mapB;
  }
}

const last = { alignEmptyValues: "bottom" };
const SORTS = {
  second: ["", "secondA", ""], // where passages are parallel the rank distance: see start
  map: ["Average precision", "mapA", "asc"],
  fell: ["Fell most against B", "fell", "asc"],
  language: ["Query language", "language", "asc"],
  order: ["Collection order", "place", "asc"],
};

function columns() {
  const two = state().b !== null;
  const { second } = about;
  const value = (title, field, digits, shown = true) => ({
    title, field, hozAlign: "right", visible: shown && wide.matches, sorter: "number", sorterParams: last,
    formatter: (cell) => document.createTextNode(number(cell.getValue(), digits)), width: 108, headerHozAlign: "right",
  });
  return [
    { title: "Query", field: "id", formatter: asCard, widthGrow: 3, minWidth: 200, headerSort: false },
    { title: "Language", field: "language", visible: wide.matches, width: 105, sorter: "number",
      formatter: (cell) => chip(cell.getValue(), false) },
    value(two ? `${second.title} A` : second.title, "secondA", second.digits),
    value(`${second.title} B`, "secondB", second.digits, two),
    value(two ? "Average precision A" : "Average precision", "mapA", 4),
    value("Average precision B", "mapB", 4, two),
    value("A − B", "fell", 4, two),
    { title: "place", field: "place", visible: false, sorter: "number" },
  ];
}

function asCard(cell) {
  const row = cell.getData();
  const said = make("div", { class: "small" });
  const parts = row.kinds ? [kindNames(row.kinds)] : [];
  if (!wide.matches) {
    if (row.fell !== null) parts.unshift(`A − B ${number(row.fell, 4)}`);
    parts.unshift(secondText(row.secondA), `average precision ${number(row.mapA, 4)}`);
    said.append(chip(row.language, false), " ");
  }
  said.append(parts.join("; "));
  return make("div", {}, link(row), said);
}

/** The kinds of failure: counts by language, and examples. */
function drawKinds() {
  if (about.models.length > 1) byId("kinds-title").textContent = `What goes wrong: ${about.models[state().a].name}`;
  const counts = about.languages.map(() => ({ all: 0, kinds: about.failures.map(() => 0) }));
  for (const row of rows) {
    if (row.kinds === null) continue;
    counts[row.language].all += 1;
    about.failures.forEach((_, place) => { counts[row.language].kinds[place] += has(row.kinds, place); });
  }
  const all = { all: 0, kinds: about.failures.map(() => 0) };
  counts.forEach((one) => { all.all += one.all; one.kinds.forEach((n, place) => { all.kinds[place] += n; }); });
  const line = (language, head, count) => make("tr", {}, make("th", { scope: "row" }, head === "all" ? head : chip(head, false), " ", make("span", { class: "small" }, count.all)),
    ...count.kinds.map((n, kind) => make("td", { class: "number" }, button(language, kind, n, count.all))));
  byId("kinds").replaceChildren(
    make("thead", {}, make("tr", {}, ...["Queries", ...about.failures].map((title, place) =>
      make("th", { scope: "col", class: place ? "number" : undefined }, title)))),
    make("tbody", {}, line("", "all", all), ...counts.flatMap((count, language) =>
      count.all ? [line(String(language), language, count)] : [])));
}

function button(language, kind, n, all) {
  const percent = all ? Math.round((100 * n) / all) : 0;
  const where = language === "" ? "all languages" : about.languages[language].name;
  const pressed = byId("language").value === language && byId("kind").value === String(kind);
  const made = make("button", { type: "button", "aria-pressed": String(pressed), "aria-label": `${n} queries, ${where}: ${about.failures[kind]}` }, make("span", {}, n), " ", make("span", {}, `(${percent}%)`));
  made.addEventListener("click", () => {
    byId("language").value = pressed ? "" : language;
    byId("kind").value = pressed ? "" : String(kind);
    filter();
    byId("list-title").scrollIntoView();
  });
  return made;
}

/** Three of each kind, of the language that is chosen: the worst by the second measure. */
function drawExamples() {
  const language = byId("language").value;
  byId("examples").replaceChildren(...about.failures.map((name, kind) => {
    const found = rows.filter((row) => has(row.kinds, kind) && (language === "" || row.language === Number(language)));
    const worst = about.second.worst === "desc" ? 1 : -1;
    found.sort((one, other) => (one.secondA === null) - (other.secondA === null) || worst * (other.secondA - one.secondA) || one.place - other.place);
    const items = found.slice(0, 3).map((row) => make("li", {}, chip(row.language, false), " ", link(row, 120),
      make("span", { class: "small" }, ` ${secondText(row.secondA)}`)));
    return make("div", {}, make("h3", {}, `For example: ${name}`), items.length ? make("ul", {}, ...items) : make("p", {}, "None."));
  }));
}

function filter() {
  const language = byId("language").value;
  const kind = byId("kind").value;
  const searched = byId("search").value.toLocaleLowerCase().trim();
  table.setFilter((row) => (language === "" || row.language === Number(language))
    && (kind === "" || (kind === "none" ? row.kinds === 0 : has(row.kinds, Number(kind))))
    && (searched === "" || row.searched.includes(searched)));
  drawKinds();
  drawExamples();
}

function sort(name) {
  shownSort = name;
  byId("sort").value = name;
  table.setSort(SORTS[name][1], SORTS[name][2]);
}

/** Where the first answer of each language stands, on a logarithmic scale. */
function strip(language, answers, passages, cut, width) {
  const SVG = "http://www.w3.org/2000/svg";
  const draw = (name, attributes, text = "") => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const missing = answers.some(([, rank]) => rank === null);
  const deepest = Math.max(about.deepest, cut ?? 1, 10);
  const right = width - (missing ? 62 : 22);
  const x = (rank) => (rank === null ? width - 24 : 22 + ((right - 22) * Math.log(rank)) / Math.log(deepest));
  const lanes = [];
  const placed = answers.map(([passage, rank]) => {
    const { code } = about.languages[passages.get(passage)[1]];
    const half = code.length * 4 + 4;
    let lane = lanes.findIndex((end) => x(rank) - half > end);
    if (lane < 0) lane = lanes.push(0) - 1;
    lanes[lane] = x(rank) + half;
    return { code, rank, lane, own: passages.get(passage)[1] === language };
  });
  const axis = 12 + lanes.length * 16;
  const said = placed.map(({ code, rank }) => `${code} ${rank ?? "not returned"}`).join(", ");
  const svg = draw("svg", { class: "strip", role: "img", width, height: axis + 24, viewBox: `0 0 ${width} ${axis + 24}`, "aria-label": `Rank of the answer in each language: ${said}` });
  svg.append(draw("line", { x1: 22, x2: right, y1: axis, y2: axis }));
  for (let tick = 1; tick <= deepest; tick *= 10) {
    svg.append(draw("line", { x1: x(tick), x2: x(tick), y1: 4, y2: axis + 4 }));
    svg.append(draw("text", { class: "tick", x: x(tick), y: axis + 18 }, String(tick)));
  }
  if (missing) svg.append(draw("text", { class: "tick", x: width - 28, y: axis + 18 }, `> ${cut ?? "cut"}`));
  for (const { code, rank, lane, own } of placed) {
    const y = axis - 6 - lane * 16;
    svg.append(draw("line", { class: "stand", x1: x(rank), x2: x(rank), y1: axis - 4, y2: axis + 4 }));
    svg.append(draw("text", { class: own ? "own" : "", x: x(rank), y }, code));
  }
  return svg;
}

const MARKS = [["wrong", "wrong"], ["right", "✓ right"], ["high", "✗ wrong, above a right one in another language"]];

function passageText([id, language, text]) {
  return text ? make("p", { class: "text", lang: tag(language), dir: "auto" }, text) : make("p", { class: "text" }, make("code", {}, id));
}

/** One model's ranking of one query. */
function ranking(name, row, values, detail, passages, cut, width) {
  const part = make("section", {}, make("h3", {}, name));
  if (!detail) {
    part.append(make("p", {}, "This model was not asked this query."));
    return part;
  }
  const [top, answers] = detail;
  part.append(make("p", { class: "small" }, `${about.second.title} ${number(values[1], about.second.digits)}; average precision ${number(values[0], 4)}${values[2] ? `; ${kindNames(values[2])}` : ""}`));
  part.append(strip(row.language, answers, passages, cut, width), make("h4", {}, `First ${top.length}`));
  part.append(make("ol", { class: "top" }, ...top.map(([passage, mark]) => {
    const found = passages.get(passage);
    return make("li", { class: MARKS[mark][0] }, chip(found[1], found[1] === row.language), make("span", { class: "mark" }, MARKS[mark][1]), passageText(found));
  })));
  return part;
}

function answersTable(chosen, details, passages) {
  const ranks = new Map();
  details.forEach((detail, place) => detail?.[1].forEach(([passage, rank]) => {
    if (!ranks.has(passage)) ranks.set(passage, []);
    ranks.get(passage)[place] = rank === null ? "not returned" : rank;
  }));
  const heads = details.length > 1 ? ["Rank, A", "Rank, B"] : ["Rank"];
  return make("table", { id: "answers" }, make("caption", {}, make("span", {}, "The first right passage in each language.")),
    make("thead", {}, make("tr", {}, ...["Language", ...heads, "Answer"].map((title, place) =>
      make("th", { scope: "col", class: place && title !== "Answer" ? "number" : undefined }, title)))),
    make("tbody", {}, ...Array.from(ranks, ([passage, of]) => make("tr", {},
      make("th", { scope: "row" }, chip(passages.get(passage)[1], passages.get(passage)[1] === chosen.language)),
      ...details.map((_, place) => make("td", { class: "number" }, of[place] ?? "–")),
      make("td", {}, passageText(passages.get(passage)))))));
}

async function showQuery(row) {
  const { a, b } = state();
  const chosen = b === null ? [a] : [a, b];
  const size = about.size;
  const chunk = await load("details", Math.floor(row.place / size.details));
  const details = chosen.map((model) => chunk[row.place % size.details][model]);
  const needed = new Set(details.flatMap((detail) => (detail ? [...detail[0], ...detail[1]].map(([passage]) => passage) : [])));
  const passages = new Map();
  await Promise.all(Array.from(needed, async (passage) => {
    passages.set(passage, (await load("passages", Math.floor(passage / size.passages)))[passage % size.passages]);
  }));
  const article = byId("query");
  const ordered = table.getData("active");
  const place = ordered.findIndex((one) => one.place === row.place);
  const near = [["Previous", ordered[place - 1]], ["Next", place < 0 ? undefined : ordered[place + 1]]];
  const models = make("div", { class: "models-compared" });
  article.replaceChildren(
    make("p", { class: "between" }, make("a", { href: "#" }, "All queries"),
      ...near.flatMap(([name, other]) => (other ? [make("a", { href: address(other.id), rel: name === "Next" ? "next" : "prev" }, name)] : []))),
    make("h2", { id: "query-text", class: "text", dir: "auto", lang: row.text ? tag(row.language) : undefined }, row.text || row.id),
    make("p", { class: "small" }, chip(row.language, true), ` ${about.languages[row.language].name}, `, make("code", {}, row.id)),
    models);
  if (article.hidden) listAt = scrollY;
  byId("overview").hidden = true;
  article.hidden = false;
  models.append(...chosen.map(() => make("section")));
  const width = Math.max(240, Math.floor(models.firstChild.clientWidth));
  models.replaceChildren(...chosen.map((model, which) => ranking(
    `${chosen.length > 1 ? `${"AB"[which]}: ` : ""}${about.models[model].name}`, row, row.models[model], details[which], passages, about.models[model].cut, width)));
  article.append(make("h3", {}, "Answers"), answersTable(row, details, passages));
}

/** What the address asks for: a query, or the list. */
async function route(moved = true) {
  let id = location.hash.slice(1);
  try { id = decodeURIComponent(id); } catch { /* no address of ours, and shown as it is */ }
  const row = rows.find((one) => one.id === id);
  byId("state").textContent = id && !row ? `There is no query ${id}.` : "";
  if (row) {
    await showQuery(row);
    if (moved) { scrollTo(0, 0); byId("query").focus({ preventScroll: true }); }
  } else if (byId("overview").hidden) {
    byId("query").hidden = true;
    byId("overview").hidden = false;
    table.redraw(true);
    scrollTo(0, listAt);
  }
}

function options(select, list) {
  byId(select).replaceChildren(...list.map(([value, name]) => make("option", { value }, name)));
}

function changed() {
  choose();
  if (state().b === null && shownSort === "fell") shownSort = "second";
  options("sort", Object.entries(SORTS).filter(([name]) => name !== "fell" || state().b !== null).map(([name, [title]]) => [name, title]));
  table.setColumns(columns());
  table.replaceData(rows);
  filter();
  sort(shownSort);
  return route(false);
}

async function start() {
  about = await load("about", 0);
  SORTS.second = [about.second.title, "secondA", about.second.worst];
  const parts = await Promise.all(Array.from({ length: Math.ceil(about.queries / about.size.rows) }, (_, place) => load("rows", place)));
  rows = parts.flat().map(([id, language, text, ...models], place) => ({ id, language, text, models, place, searched: `${text}\n${id}`.toLocaleLowerCase() }));
  // What all begin with is left out of the lists: what tells them apart is at the end, which they cut.
  const [first] = about.models[0].name.split(/(?<=\/)/);
  const same = first.endsWith("/") && about.models.every(({ name }) => name.startsWith(first)) ? first.length : 0;
  const named = about.models.map(({ name }, place) => [String(place), name.slice(about.models.length > 1 ? same : 0)]);
  options("a", named);
  options("b", [["", "none"], ...named]);
  byId("b").value = named.length > 1 ? "1" : "";
  byId("b").disabled = named.length < 2;
  const asked = Array.from(new Set(rows.map((row) => row.language)));
  options("language", [["", "all"], ...asked.map((language) => [String(language), `${about.languages[language].code}: ${about.languages[language].name}`])]);
  options("kind", [["", "all"], ...about.failures.map((name, place) => [String(place), name]), ["none", "none of these"]]);
  options("sort", Object.entries(SORTS).filter(([name]) => name !== "fell" || named.length > 1).map(([name, [title]]) => [name, title]));
  choose();
  byId("overview").hidden = false;
  table = new Tabulator("#table", {
    data: rows, index: "place", columns: columns(), layout: "fitColumns", height: "70vh", placeholder: "No such query.",
    initialSort: [{ column: SORTS[shownSort][1], dir: SORTS[shownSort][2] }],
  });
  table.on("dataFiltered", (_, found) => { byId("count").textContent = `${found.length} of ${rows.length} queries`; });
  await new Promise((resolve) => { table.on("tableBuilt", resolve); });
  // A grid has groups of rows, and in Tabulator's there is a box between that has no role.
  document.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
  document.querySelector(".tabulator-table").setAttribute("role", "presentation");
  filter();
  table.on("headerClick", () => { byId("sort").value = ""; });
  for (const select of ["a", "b"]) byId(select).addEventListener("change", changed);
  for (const select of ["language", "kind"]) byId(select).addEventListener("change", filter);
  byId("sort").addEventListener("change", () => sort(byId("sort").value));
  let wait;
  byId("search").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(filter, 150); });
  addEventListener("keydown", (event) => {
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    const free = !event.altKey && !event.ctrlKey && !event.metaKey && !event.target.closest("input, select");
    if (rel && free && !byId("query").hidden) byId("query").querySelector(`a[rel=${rel}]`)?.click();
  });
  addEventListener("hashchange", () => route());
  wide.addEventListener("change", changed);
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; if (!byId("query").hidden) route(false); } });
  await route();
  document.body.dataset.ready = "yes";
}

start().catch((error) => { byId("state").textContent = error.message; });
