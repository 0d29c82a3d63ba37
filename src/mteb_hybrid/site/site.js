// Makes tables sortable, and the first one filterable. Without it they stand as they are.
// Whatever they hold is put back as text (textContent), never as HTML.
"use strict";

const filters = document.querySelector(".filters");

/** The cell of a table as data: its parts, and what it is sorted by. */
function read(cell) {
  const link = cell.querySelector("a");
  const note = cell.querySelector(".note");
  const text = [...cell.childNodes].filter(node => node !== note).map(node => node.textContent).join("").trim();
  const order = cell.dataset.order === undefined ? null : Number(cell.dataset.order);
  return { text, order, note: note ? note.textContent : "", href: link ? link.getAttribute("href") : "" };
}

/** The same again, as elements. */
function show(cell) {
  const { text, note, href } = cell.getValue();
  const shown = document.createElement(href ? "a" : "span");
  shown.textContent = text;
  if (href) shown.setAttribute("href", href);
  const box = document.createElement("div");
  box.append(shown);
  if (note) {
    const below = document.createElement("span");
    below.className = "note";
    below.textContent = note;
    box.append(below);
  }
  return box;
}

/** A title that can be reached and pressed with the keyboard; the click goes on to the header. */
function title(cell) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = cell.getValue();
  return button;
}

/** What has no room in a row. */
function below(cells) {
  const list = document.createElement("dl");
  list.className = "details";
  for (const { title, value } of cells) {
    const part = document.createElement("div");
    for (const [name, content] of [["dt", title], ["dd", value]]) {
      const element = document.createElement(name);
      element.append(content);
      part.append(element);
    }
    list.append(part);
  }
  return list;
}

/** Numbers before what has none, whichever way; text by its letters. */
function compare(isNumber) {
  return (a, b, first, second, column, direction) => {
    if (!isNumber) return a.text.localeCompare(b.text);
    if (a.order === null || b.order === null) {
      const last = (a.order === null) - (b.order === null);
      return direction === "asc" ? last : -last;
    }
    return a.order - b.order;
  };
}

function enhance(table) {
  const heads = [...table.tHead.rows[0].cells];
  const columns = heads.map((head, place) => {
    const isNumber = head.classList.contains("number");
    return {
      title: head.textContent, field: `c${place}`, titleFormatter: title, formatter: show,
      sorter: compare(isNumber), hozAlign: isNumber ? "right" : "left", headerHozAlign: isNumber ? "right" : "left",
      headerSortStartingDir: isNumber && !head.classList.contains("low") ? "desc" : "asc", variableHeight: true, resizable: false,
      minWidth: place ? 125 : 150, widthGrow: place ? 1 : 2, vertAlign: "top",
      // Where there is no room, the last ones stand below their row; map in the pool goes last.
      responsive: !place ? 0 : head.textContent.startsWith("Mul.") ? 1 : place + 1,
    };
  });
  const rows = [...table.tBodies].flatMap(body => [...body.rows].filter(row => !row.classList.contains("group"))
    .map(row => Object.fromEntries([["group", body.dataset.group], ...[...row.cells].map((cell, place) => [`c${place}`, read(cell)])])));
  const box = document.createElement("div");
  const caption = document.createElement("p");
  caption.className = "small";
  caption.textContent = table.caption.textContent;
  const region = table.closest(".scroll");
  region.hidden = true;
  region.after(caption, box);
  const options = { data: rows, columns, layout: "fitColumns", renderVertical: "basic",
    responsiveLayout: "collapse", responsiveLayoutCollapseFormatter: below };
  if (table.tBodies.length > 1) {
    options.groupBy = "group";
    options.groupHeader = group => {
      const shown = document.createElement("span");
      shown.textContent = group;
      return shown;
    };
    options.groupToggleElement = false;
  }
  const grid = new Tabulator(box, options);
  grid.on("renderComplete", () => name(box));
  return grid;
}

/** Roles that Tabulator leaves out, for those who hear the table. */
function name(box) {
  box.querySelector(".tabulator-tableholder").removeAttribute("tabindex");
  for (const group of box.querySelectorAll(".tabulator-group")) {
    group.setAttribute("role", "row");
    for (const part of group.children) part.setAttribute("role", part.matches("span") ? "gridcell" : "presentation");
  }
  for (const details of box.querySelectorAll(".tabulator-responsive-collapse")) details.setAttribute("role", "gridcell");
}

function filter(grid) {
  const { model, group, trained } = filters.elements;
  const last = `c${grid.getColumns().length - 1}`;
  const wanted = model.value.trim().toLocaleLowerCase();
  grid.setFilter(row => row.c0.text.toLocaleLowerCase().includes(wanted)
    && (!group.value || row.group === group.value) && (!trained.value || row[last].text === trained.value));
  filters.querySelector("output").textContent = `${grid.getDataCount("active")} of ${grid.getDataCount()} rows`;
}

function sort(grid) {
  const [field, direction] = filters.elements.sort.value.split(" ");
  if (field) grid.setSort(field, direction);
  else grid.clearSort();
}

const grids = [...document.querySelectorAll("table.sorted")].map(enhance);
if (filters && grids.length) {
  grids[0].on("tableBuilt", () => {
    filters.hidden = false;
    filters.addEventListener("input", () => filter(grids[0]));
    for (const column of grids[0].getColumns()) {
      const { title, field, headerSortStartingDir } = column.getDefinition();
      filters.elements.sort.append(new Option(title, `${field} ${headerSortStartingDir}`));
    }
    filters.elements.sort.addEventListener("change", () => sort(grids[0]));
    filters.addEventListener("submit", event => event.preventDefault());
    filter(grids[0]);
  });
}
