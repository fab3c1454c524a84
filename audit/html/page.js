'use strict';
// Sorting, filtering, hover and copying. Without this script the page still holds every number.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const status = document.getElementById('status');
  const tip = document.getElementById('tip');

  // A point of a picture is an image with a text, reached by the arrow keys.
  for (const point of all('.pt')) {
    point.setAttribute('role', 'img');
    point.tabIndex = -1;
  }

  // What a cell holds: "12.5 %" is 0.125.
  function valueOf(cell) {
    if (!cell) return '';
    const text = cell.dataset.v ?? cell.textContent.trim();
    return /^[-+]?[\d.]+ %$/.test(text) ? String(Number((parseFloat(text) / 100).toPrecision(12))) : text;
  }

  // Sort: numbers by their value, unknown values last in both directions, equal ones as they stood. The matrix marks
  // broken scores, and puts those in brackets that are not measured.
  const sortKey = (cell) => valueOf(cell).replace(/^[▼(]|\)$/g, '');
  const unknown = (text) => text === '' || text === '-';
  function sortBy(header) {
    const table = header.closest('table');
    const up = header.getAttribute('aria-sort') !== 'ascending';
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const lines = [...table.tBodies[0].rows].map((row) => ({row, value: sortKey(row.cells[header.cellIndex])}));
    const numeric = lines.every(({value}) => unknown(value) || !Number.isNaN(Number(value)));
    lines.sort((a, b) => {
      if (unknown(a.value) || unknown(b.value)) return unknown(a.value) - unknown(b.value);
      const order = numeric ? a.value - b.value : a.value.localeCompare(b.value);
      return up ? order : -order;
    });
    table.tBodies[0].append(...lines.map(({row}) => row));
    status.value = `sorted by ${header.textContent.trim()}, ${up ? 'ascending' : 'descending'}`;
  }
  for (const table of all('table.sortable'))
    table.tHead.addEventListener('click', (event) => {
      if (event.target.closest('button')) sortBy(event.target.closest('th'));
    });

  // Filter: the lines of the matrix decide which rows are shown; everything of a row is hidden with it.
  const form = document.querySelector('form.filters');
  function filter() {
    const wanted = all('[data-filter]', form).map((field) => [field.dataset.filter, field.value.trim()]);
    const shown = new Set();
    const lines = all('#heat tbody tr');
    for (const {dataset} of lines) {
      const fits = wanted.every(([key, value]) => value === '' ||
          (key === 'name' ? dataset.name.toLowerCase().includes(value.toLowerCase()) : dataset[key] === value));
      if (fits) shown.add(dataset.row);
    }
    for (const element of all('[data-row]')) element.toggleAttribute('hidden', !shown.has(element.dataset.row));
    form.querySelector('.shown').value =
        shown.size === lines.length ? '' : `${shown.size} of ${lines.length} rows`;
  }
  if (form) {
    form.addEventListener('input', filter);
    form.addEventListener('reset', () => setTimeout(filter));
    form.addEventListener('submit', (event) => event.preventDefault());
  }

  // Hover and focus: what the figure is, and its place in the result file.
  const figureAt = (node) =>
      node instanceof Element ? node.closest('.pt, [data-t], td, th[scope=row], [data-p]') : null;
  // The place of a figure is its own, its heading's, its line's, its table's or its picture's.
  function placeOf(figure) {
    const cell = figure.closest('td, th');
    const heads = [...cell?.closest('table').tHead.rows[0].cells ?? []];
    const head = heads[cell?.cellIndex];
    const line = cell?.parentElement;
    const place = cell?.dataset.p ?? head?.dataset.p ?? figure.closest('[data-p]')?.dataset.p ?? '';
    const textUnder = (key) => line.cells[heads.findIndex((h) => h.textContent === key)]?.textContent ?? '';
    const ofTask = (name) => cell.closest('table').dataset.tasks.split(';').map((pair) => pair.split('='))
        .find(([task]) => task === name)?.slice(1).join('=') ?? '';
    return place.replace(/\{(\w+)\}/g, (_, key) => key === 'column' ? head.textContent :
        key === 'task' ? ofTask(textUnder(key)) : textUnder(key))
        .replace('#', figure.closest('[data-row]')?.dataset.row ?? '*');
  }
  function saysOf(figure) {
    if (figure.matches('#heat th[scope=row]'))
      return document.querySelector(`#readings li[data-row="${figure.parentElement.dataset.row}"]`)?.textContent ?? '';
    if (figure.dataset.d === undefined) return figure.dataset.t ?? figure.getAttribute('aria-label') ?? '';
    const heads = figure.closest('table').tHead.rows[0].cells;
    return `${figure.parentElement.dataset.name}, ${heads[figure.cellIndex].textContent}: ` +
        figure.textContent.trim() + figure.dataset.d;
  }
  function show(figure) {
    const says = saysOf(figure);
    const place = placeOf(figure);
    if (!says && !place) return hide();
    tip.replaceChildren();
    if (says) tip.append(says);
    if (place) {
      const code = document.createElement('code');
      code.textContent = place;
      tip.append(code);
    }
    tip.hidden = false;
    // A line is wider than the window: its tip stands under the line's beginning that is in sight.
    const box = figure.getBoundingClientRect();
    const left = Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 4));
    const below = box.bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 6 : Math.max(4, box.top - tip.offsetHeight - 6)}px`;
  }
  function hide() { tip.hidden = true; }
  // With nothing under the pointer the tip is the focused point's, also after its focus scrolled the page.
  function rest() {
    if (document.activeElement?.matches('.pt')) show(document.activeElement); else hide();
  }
  document.addEventListener('pointerover', (event) => {
    const figure = figureAt(event.target);
    if (figure) show(figure); else rest();
  });
  document.addEventListener('focusin', rest);
  document.addEventListener('focusout', hide);
  document.addEventListener('scroll', rest, {capture: true, passive: true});

  // Arrow keys walk through the points of a picture; Escape leaves them.
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') hide();
    const picture = event.target.closest?.('svg[tabindex]');
    if (!picture) return;
    if (event.key === 'Escape') return picture.focus();
    const points = all('.pt', picture).filter((point) => !point.closest('[hidden]'));
    const at = points.indexOf(document.activeElement);
    const to = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0,
                End: points.length - 1}[event.key];
    if (to === undefined || points.length === 0) return;
    event.preventDefault();
    points[Math.max(0, Math.min(to, points.length - 1))].focus();
  });

  // Copy a place, or a whole table as tab-separated text.
  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      status.value = `copied ${what}`;
    } catch {
      status.value = `the browser does not let the page copy ${what}`;
    }
  }
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button.copy');
    if (button) {
      const table = button.parentElement.querySelector('table');
      const lines = [...table.rows].filter((row) => !row.hidden)
          .map((row) => [...row.cells].map(valueOf).join('\t'));
      return copy(`${lines.join('\n')}\n`, `${lines.length - 1} lines of ${table.caption.textContent}`);
    }
    if (event.target.closest('button, summary, a, label, input, select') || String(getSelection())) return;
    const figure = figureAt(event.target);
    if (figure && placeOf(figure)) copy(placeOf(figure), placeOf(figure));
  });

  // Paper shows every picture; long tables stay as they are on the screen.
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = all('details.picture:not([open])');
    for (const picture of opened) picture.open = true;
  });
  addEventListener('afterprint', () => { for (const picture of opened) picture.open = false; });
})();
