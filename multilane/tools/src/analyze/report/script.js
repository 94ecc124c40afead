'use strict';
// Sorts tables, filters units, zooms the timeline and says what is pointed at. The page can be read without it.
(() => {
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];

  for (const table of all('table.sortable')) {
    const heads = all('thead th', table);
    heads.forEach((head, column) => {
      const button = head.querySelector('button');
      if (!button) return;
      button.addEventListener('click', () => {
        const isNumber = head.classList.contains('n');
        const before = head.getAttribute('aria-sort');
        const up = before ? before === 'descending' : !isNumber;
        for (const other of heads) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        const key = (row) => {
          const text = row.cells[column].textContent.trim();
          return isNumber ? (text === '' ? -1 : Number(text)) : text.toLowerCase();
        };
        const rows = [...table.tBodies[0].rows].map((row) => [key(row), row]);
        const compare = isNumber ? (a, b) => a[0] - b[0] : (a, b) => a[0].localeCompare(b[0]);
        rows.sort((a, b) => (up ? compare(a, b) : compare(b, a)));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  }

  const filter = document.getElementById('filter');
  if (filter) {
    const shown = document.getElementById('shown');
    const rows = all('table.units tbody tr').map((row) => [row.cells[0].textContent.toLowerCase(), row]);
    filter.addEventListener('input', () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      let count = 0;
      for (const [text, row] of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        count += row.hidden ? 0 : 1;
      }
      shown.textContent = filter.value ? `${count} of ${rows.length}` : '';
    });
  }

  const tip = document.getElementById('tip');
  const say = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 8))}px`;
    tip.style.top = `${y + 20 + box.height > innerHeight ? y - box.height - 12 : y + 20}px`;
  };

  const time = document.getElementById('time');
  if (time) {
    const units = all('.rows > div', time);
    const zoom = document.getElementById('zoom');
    zoom.addEventListener('input', () => {
      const middle = (time.scrollLeft + time.clientWidth / 2) / time.scrollWidth;
      time.firstElementChild.style.setProperty('--zoom', zoom.value);
      time.scrollLeft = middle * time.scrollWidth - time.clientWidth / 2;
    });
    let here = -1;
    const go = (to) => {
      units[here]?.classList.remove('here');
      here = Math.max(0, Math.min(units.length - 1, to));
      const unit = units[here];
      unit.classList.add('here');
      unit.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      const box = unit.getBoundingClientRect();
      say(unit.dataset.tip, box.left, box.bottom - 16);
    };
    const open = (unit) => {
      const row = document.getElementById(`u${unit.dataset.u}`);
      row.hidden = false;
      location.hash = row.id;
      row.scrollIntoView({ block: 'center' });
    };
    time.addEventListener('keydown', (event) => {
      const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: units.length - 1 }[event.key];
      if (to !== undefined) {
        go(to);
        event.preventDefault();
      } else if (event.key === 'Enter' && here >= 0) {
        open(units[here]);
      } else if (event.key === 'Escape') {
        tip.hidden = true;
      }
    });
    time.addEventListener('blur', () => { tip.hidden = true; });
    time.addEventListener('pointermove', (event) => {
      const unit = event.target.closest('[data-tip]');
      if (unit) say(unit.dataset.tip, event.clientX, event.clientY);
      else tip.hidden = true;
    });
    time.addEventListener('pointerleave', () => { tip.hidden = true; });
    time.addEventListener('click', (event) => {
      const unit = event.target.closest('[data-u]');
      if (unit) go(units.indexOf(unit));
    });
    time.addEventListener('dblclick', (event) => {
      const unit = event.target.closest('[data-u]');
      if (unit) open(unit);
    });
  }

  for (const crate of all('svg.crates a')) {
    const name = crate.dataset.crate;
    const lines = all('svg.crates path').filter((line) => line.dataset.from === name || line.dataset.to === name);
    const near = (is) => lines.forEach((line) => line.classList.toggle('near', is));
    for (const event of ['pointerenter', 'focus']) crate.addEventListener(event, () => near(true));
    for (const event of ['pointerleave', 'blur']) crate.addEventListener(event, () => near(false));
  }
})();
