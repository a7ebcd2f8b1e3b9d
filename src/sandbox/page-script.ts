/** The page's script, sent as it is: asks for news twice a second and keeps the screen in step. Text only ever enters as text. */
export const PAGE_SCRIPT = `'use strict';
const words = JSON.parse(document.getElementById('words').textContent);
const account = document.body.dataset.account;
const POLL_MS = 500;
const FAREWELL_MS = 6000;
let skew = 0;
let shownCalls = null;
let shownCustomers = '';
const seenPopups = new Map();

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
function byId(id) { return document.getElementById(id); }
function clock(seconds) {
  if (seconds === undefined || seconds === null) return '';
  const whole = Math.max(0, Math.floor(seconds));
  return Math.floor(whole / 60) + ':' + String(whole % 60).padStart(2, '0');
}
function kindOf(result) {
  if (result === undefined) return 'live';
  if (result === 'answered') return 'good';
  return result === 'failed' || result === 'not allowed' || result === 'busy' ? 'bad' : 'missed';
}
function initials(name) {
  return name.split(' ').map((part) => part.charAt(0)).join('').slice(0, 2).toUpperCase();
}
function arrow(type) {
  const mark = make('span', 'arrow ' + type, type === 'in' ? '\\u2199' : '\\u2197');
  mark.title = words[type];
  return mark;
}

function managerCard(manager) {
  const card = make('article', 'manager');
  card.id = 'manager-' + manager.id;
  const head = make('div', 'who');
  head.append(make('span', 'avatar', initials(manager.name)));
  const names = make('div', 'names');
  names.append(make('strong', '', manager.name), make('span', 'status', ''));
  head.append(names, make('span', 'code', manager.code || words.noCode));
  card.append(head, make('div', 'popups'), make('p', 'idle', words.idle), make('p', 'more', ''));
  return card;
}
function popupCard(popup) {
  const card = make('div', 'popup ' + popup.type);
  const top = make('div', 'line');
  top.append(arrow(popup.type), make('strong', '', popup.customer || words.unknown), make('span', 'elapsed', ''));
  const below = make('div', 'line small');
  below.append(make('span', 'phone', popup.phone));
  if (popup.externalPhone) below.append(make('span', 'did', (popup.type === 'in' ? words.did : words.outDid) + ' ' + popup.externalPhone));
  card.append(top, below, make('div', 'ending', ''));
  return card;
}
function showManagers(view) {
  const area = byId('managers');
  const wanted = new Set();
  for (const manager of view.managers) {
    let card = byId('manager-' + manager.id);
    if (!card) area.append((card = managerCard(manager)));
    card.querySelector('.code').textContent = manager.code || words.noCode;
    const status = card.querySelector('.status');
    status.textContent = words.statuses[manager.status] || manager.status;
    status.dataset.status = manager.status;
    card.querySelector('.more').textContent = manager.hidden > 0 ? '+' + manager.hidden : '';
    for (const popup of manager.popups) {
      wanted.add(popup.id);
      let shown = seenPopups.get(popup.id);
      if (!shown) {
        shown = { element: popupCard(popup) };
        seenPopups.set(popup.id, shown);
        card.querySelector('.popups').prepend(shown.element);
      }
      shown.popup = popup;
    }
  }
  for (const [id, shown] of seenPopups) {
    if (wanted.has(id)) continue;
    shown.element.remove();
    seenPopups.delete(id);
  }
  tick();
  for (const card of area.children) card.classList.toggle('called', card.querySelector('.popup:not(.closed)') !== null);
}
function tick() {
  const now = Date.now() + skew;
  for (const { element, popup } of seenPopups.values()) {
    const closed = popup.closedAt !== undefined;
    element.querySelector('.elapsed').textContent = clock(((popup.closedAt || now) - popup.openedAt) / 1000);
    element.classList.toggle('closed', closed);
    element.classList.toggle('leaving', closed && now - popup.closedAt > FAREWELL_MS - 700);
    if (closed) {
      element.dataset.kind = kindOf(popup.hangupStatus);
      element.querySelector('.ending').textContent = words.hangups[popup.hangupStatus] || popup.hangupStatus || '';
    }
  }
}
function callRow(call) {
  const row = make('tr');
  const who = make('td', 'customer');
  who.append(make('span', '', call.customer || words.unknown), make('small', '', call.phone));
  if (!call.customer) who.classList.add('unknown');
  const result = make('td');
  result.append(make('span', 'result ' + kindOf(call.result), words.results[call.result] || call.result));
  const direction = make('td');
  direction.append(arrow(call.type), ' ' + words[call.type]);
  const time = make('td', 'time', call.date.slice(11));
  time.title = call.date;
  const recording = make('td');
  if (call.recordUrl) {
    const link = make('a', '', words.listen);
    link.href = call.recordUrl;
    link.rel = 'noreferrer';
    recording.append(link);
  }
  row.append(time, direction, who, make('td', '', call.manager || '\\u2014'), result,
    make('td', 'number', clock(call.durationWaiting)), make('td', 'number', call.duration ? clock(call.duration) : ''), recording);
  return row;
}
function showCalls(view) {
  byId('call-count').textContent = view.callCount;
  byId('no-calls').hidden = view.callCount > 0;
  const ids = view.calls.map((call) => call.externalId);
  if (shownCalls !== null && ids.join() === shownCalls.join()) return;
  const known = new Set(shownCalls || ids);
  byId('calls').replaceChildren(...view.calls.map((call) => {
    const row = callRow(call);
    if (!known.has(call.externalId)) row.className = 'fresh';
    return row;
  }));
  shownCalls = ids;
}
function showCustomers(view) {
  byId('customer-count').textContent = view.customerCount;
  const text = JSON.stringify(view.customers);
  if (text === shownCustomers) return;
  shownCustomers = text;
  byId('customers').replaceChildren(...view.customers.map((customer) => {
    const item = make('li');
    item.append(make('strong', '', customer.name || words.unknown));
    if (customer.vip) item.append(make('span', 'vip', 'VIP'));
    item.append(make('span', 'phones', customer.phones.join(', ')));
    if (customer.manager) item.append(make('small', '', customer.manager));
    return item;
  }));
}
async function poll() {
  try {
    const reply = await fetch('/__emu/view?account=' + encodeURIComponent(account));
    const view = await reply.json();
    if (!reply.ok) throw new Error(view.error);
    skew = view.now - Date.now();
    byId('requests').textContent = view.requests;
    byId('peak-telephony').textContent = view.peak.telephony;
    byId('peak-general').textContent = view.peak.general;
    byId('refused').textContent = view.refused;
    showManagers(view);
    showCalls(view);
    showCustomers(view);
    byId('trouble').hidden = true;
  } catch {
    byId('trouble').hidden = false;
  }
  setTimeout(poll, POLL_MS);
}
setInterval(tick, 250);
poll();
`;
