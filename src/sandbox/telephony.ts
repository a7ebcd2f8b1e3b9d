/** The three telephony methods: call events, uploads, and who is responsible for a number. Behaviours 14–34. */

import {
  type Account,
  activeTelephony,
  type Call,
  codeOf,
  type Customer,
  nextId,
  type Popup,
  pushCapped,
  type User,
  userByCode,
} from './account.ts';
import { type Ask, asObject, flagUnknown, integer, keep, listField, objectField, text } from './ask.ts';
import { isDateTime } from './dates.ts';
import { textOf } from './fields.ts';
import { international } from './phones.ts';
import {
  invalid,
  json,
  ok,
  type Problems,
  type Reply,
  refusal,
  Refusal,
  refuseIfAny,
  serverPage,
  texts,
} from './reply.ts';

const HANGUP_STATUSES = ['answered', 'no answered', 'busy', 'cancel', 'failed'];
const RESULTS = ['answered', 'no answer', 'busy', 'failed', 'not allowed', 'unknown'];
const MAX_BATCH = 50;
const RECENT_CALLS = 100;
const EVENT_FIELDS = [
  'phone',
  'type',
  'codes',
  'userIds',
  'hangupStatus',
  'externalPhone',
  'callExternalId',
  'site',
  'webAnalyticsData',
];
const CALL_FIELDS = [
  'date',
  'type',
  'phone',
  'code',
  'userId',
  'result',
  'duration',
  'durationWaiting',
  'externalId',
  'recordUrl',
  'externalPhone',
  'site',
  'source',
  'clientId',
];

/** POST telephony/call/event */
export function callEvent(ask: Ask): Reply {
  const { account } = ask;
  const event = objectField(ask, 'event');
  needTelephony(ask, 'Telephony not enabled');
  flagUnknown(ask, event, EVENT_FIELDS);
  const say = texts(ask.switches);
  const problems: Problems = {};
  const type = event['type'];
  const phone = text(event['phone']);
  const hangupStatus = text(event['hangupStatus']);
  if (type !== 'in' && type !== 'out' && type !== 'hangup')
    problems['type'] = type === undefined ? say.blank : say.choice;
  if (phone === undefined) problems['phone'] = say.blank;
  if (type === 'hangup' && hangupStatus === undefined) problems['hangupStatus'] = say.blank;
  if (hangupStatus !== undefined && !HANGUP_STATUSES.includes(hangupStatus)) problems['hangupStatus'] = say.choice;
  const codes = event['codes'] ?? [];
  const userIds = event['userIds'] ?? [];
  if (!isListOf(codes, (code) => typeof code === 'string')) problems['codes'] = say.invalid;
  if (!isListOf(userIds, (id) => integer(id) !== undefined)) problems['userIds'] = say.invalid;
  const site = text(event['site']);
  if (site !== undefined && !account.sites.has(site)) problems['site'] = say.unknown;
  if (
    Object.keys(problems).length === 0 &&
    Array.isArray(codes) &&
    Array.isArray(userIds) &&
    codes.length + userIds.length === 0
  )
    problems['codes'] = say.addressee;
  refuseIfAny(ask.switches, problems);
  if (phone === undefined || (type !== 'in' && type !== 'out' && type !== 'hangup'))
    throw invalid(ask.switches, problems);

  const wanted = { codes: stringsOf(codes), userIds: stringsOf(userIds).map(Number) };
  const found = addressees(account, wanted);
  const callExternalId = text(event['callExternalId']);
  const externalPhone = text(event['externalPhone']);
  account.totals.events++;
  const popups =
    type === 'hangup'
      ? closePopups(ask, found.users, phone, callExternalId, hangupStatus)
      : openPopups(ask, found.users, { type, phone, externalPhone, callExternalId });
  if (type === 'hangup' && popups === 0) account.totals.orphanHangups++;
  keep(ask, account.events, {
    at: ask.now,
    type,
    phone,
    ...wanted,
    hangupStatus,
    externalPhone,
    callExternalId,
    popups,
  });
  return ok({
    ...(found.noCodes.length > 0 && { notExistCodes: found.noCodes }),
    ...(found.noUsers.length > 0 && { notExistUsers: found.noUsers }),
  });
}

/** POST telephony/calls/upload */
export function uploadCalls(ask: Ask): Reply {
  const { account } = ask;
  const batch = listField(ask, 'calls');
  needTelephony(ask, 'Telephony not enabled or not supports calls upload');
  const say = texts(ask.switches);
  if (batch.length === 0 || batch.length > MAX_BATCH) throw invalid(ask.switches, { calls: say.count });
  const problems: Problems = {};
  const calls = batch.map((given, index) => readCall(ask, asObject(given) ?? {}, `calls[${index}]`, problems));
  refuseIfAny(ask.switches, problems);
  const { poison } = ask.switches;
  if (poison !== '' && calls.some((call) => call.externalId.includes(poison)))
    throw refusal(400, 'Errors in the entity format');

  const half = ask.takeFault('halfBatchThen500');
  const duplicateCalls: string[] = [];
  for (const call of half ? calls.slice(0, Math.floor(calls.length / 2)) : calls) {
    account.totals.callsReceived++;
    if (!storeCall(ask, call)) duplicateCalls.push(call.externalId);
  }
  if (half) throw new Refusal(serverPage(500, 'Internal Server Error'));
  const counted = ask.switches.dupCounts === 'include' ? 0 : duplicateCalls.length;
  return ok({ processedCallsCount: calls.length - counted, duplicateCalls });
}

/** GET telephony/manager */
export function manager(ask: Ask): Reply {
  const { account, baseUrl } = ask;
  const phone = textOf(ask.query, 'phone');
  if (phone === undefined || phone === '') throw refusal(400, "Parameter 'phone' is missing");
  const details = textOf(ask.query, 'details') === '1';
  const ignoreStatus = textOf(ask.query, 'ignoreStatus') === '1';
  const customer = customerByPhone(account, phone);
  const user = customer?.managerId === undefined ? undefined : account.users.get(customer.managerId);
  const reachable = user && user.active && (ignoreStatus || (user.online && user.status === 'free'));
  const reply: Record<string, unknown> = {};
  if (reachable) reply['manager'] = managerView(ask, user);
  if (details) {
    const query = `?phone=${encodeURIComponent(phone)}`;
    const order = customer && [...account.orders.values()].findLast((each) => each.customerId === customer.id);
    if (customer) {
      const { id, externalId, firstName, lastName, patronymic, email, phones } = customer;
      reply['customer'] = {
        id,
        ...(externalId !== undefined && { externalId }),
        firstName,
        lastName,
        patronymic,
        email,
        phones,
      };
    }
    reply['links'] = {
      newOrderLink: `${baseUrl}/orders/add${query}`,
      ...(order && { lastOrderLink: `${baseUrl}/orders/${order.id}/edit` }),
      newCustomerLink: `${baseUrl}/customers/add${query}`,
      ...(customer && { customerLink: `${baseUrl}/customers/${customer.id}` }),
    };
  }
  return ok(reply);
}

/** The card that has this number, compared in international form; the newest of several. */
export function customerByPhone(account: Account, phone: string): Customer | undefined {
  const wanted = international(phone);
  if (wanted === undefined || wanted.length < 7) return undefined;
  return [...account.customers.values()].findLast(
    (customer) =>
      customer.combinedTo === undefined && customer.phones.some(({ number }) => international(number) === wanted),
  );
}

/** A customer's name as a pop-up shows it. */
export function nameOf(customer: Customer | undefined): string | undefined {
  const name = [customer?.firstName, customer?.lastName].filter(Boolean).join(' ');
  return name === '' ? undefined : name;
}

function managerView(ask: Ask, user: User): Record<string, unknown> {
  const code = codeOf(ask.account, user.id);
  return {
    id: ask.switches.managerIdType === 'string' ? String(user.id) : user.id,
    firstName: user.firstName,
    lastName: user.lastName,
    patronymic: '',
    email: user.email,
    ...(code !== undefined && { code }),
  };
}

function needTelephony(ask: Ask, errorMsg: string): void {
  if (activeTelephony(ask.account)) return;
  if (ask.switches.telephonyOffStatus === 200) throw new Refusal(json(200, { success: 'false', errorMsg }));
  throw refusal(400, errorMsg);
}

function addressees(account: Account, wanted: { codes: string[]; userIds: number[] }) {
  const users = new Map<number, User>();
  const noCodes: string[] = [];
  const noUsers: number[] = [];
  for (const code of wanted.codes) {
    const user = userByCode(account, code);
    if (user) users.set(user.id, user);
    else noCodes.push(code);
  }
  for (const id of wanted.userIds) {
    const user = account.users.get(id);
    if (user) users.set(user.id, user);
    else noUsers.push(id);
  }
  return { users, noCodes, noUsers };
}

function openPopups(
  ask: Ask,
  users: Map<number, User>,
  shown: Pick<Popup, 'type' | 'phone' | 'externalPhone' | 'callExternalId'>,
): number {
  const { account } = ask;
  const customer = nameOf(customerByPhone(account, shown.phone));
  for (const user of users.values()) {
    const id = nextId(account, 'popup');
    const code = codeOf(account, user.id);
    account.openPopups.set(id, {
      ...{ id, userId: user.id, code, ...shown, customer },
      ...{ openedAt: ask.now, closedAt: undefined, hangupStatus: undefined },
    });
    account.totals.popupsOpened++;
  }
  // Pop-ups nobody ever closes are the client's fault; they must not become the emulator's leak.
  for (const [id, popup] of account.openPopups) {
    if (account.openPopups.size <= ask.historyCap) break;
    account.openPopups.delete(id);
    keep(ask, account.popupHistory, popup);
  }
  return users.size;
}

function closePopups(
  ask: Ask,
  users: Map<number, User>,
  phone: string,
  callExternalId: string | undefined,
  hangupStatus: string | undefined,
): number {
  const { account } = ask;
  let closed = 0;
  for (const popup of account.openPopups.values()) {
    const sameCall = callExternalId === undefined ? popup.phone === phone : popup.callExternalId === callExternalId;
    if (!sameCall || !users.has(popup.userId)) continue;
    account.openPopups.delete(popup.id);
    keep(ask, account.popupHistory, { ...popup, closedAt: ask.now, hangupStatus });
    account.totals.popupsClosed++;
    closed++;
  }
  return closed;
}

function readCall(ask: Ask, given: Record<string, unknown>, path: string, problems: Problems): Call {
  const { account } = ask;
  const say = texts(ask.switches);
  flagUnknown(ask, given, CALL_FIELDS);
  const required = (name: string): string => {
    const value = text(given[name]);
    if (value === undefined) problems[`${path}.${name}`] = say.blank;
    return value ?? '';
  };
  const seconds = (name: string): number | undefined => {
    if (given[name] === undefined || given[name] === null) return undefined;
    const value = integer(given[name]);
    if (value === undefined || value < 0) problems[`${path}.${name}`] = say.invalid;
    return value;
  };
  const date = required('date');
  if (date !== '' && !isDateTime(date)) problems[`${path}.date`] = say.invalid;
  const type = required('type');
  if (type !== '' && type !== 'in' && type !== 'out') problems[`${path}.type`] = say.choice;
  const phone = required('phone');
  const result = required('result');
  if (result !== '' && !RESULTS.includes(result)) problems[`${path}.result`] = say.choice;
  const externalId = required('externalId');
  if (externalId.length > 255) problems[`${path}.externalId`] = say.invalid;
  const site = text(given['site']);
  if (site !== undefined && !account.sites.has(site)) problems[`${path}.site`] = say.unknown;
  const code = text(given['code']);
  const userId = integer(given['userId']);
  const user = userId === undefined ? code !== undefined && userByCode(account, code) : account.users.get(userId);
  const source = asObject(given['source']);
  return {
    ...{ externalId, date, type: type === 'out' ? 'out' : 'in', phone, result, code, site },
    duration: seconds('duration'),
    durationWaiting: seconds('durationWaiting'),
    userId: user ? user.id : undefined,
    recordUrl: text(given['recordUrl']),
    externalPhone: text(given['externalPhone']),
    source: source && Object.fromEntries(Object.entries(source).map(([name, value]) => [name, String(value)])),
    clientId: text(given['clientId']),
    ...{ storedAt: ask.now, copies: 0, conflicts: 0 },
  };
}

/** Stores a call seen for the first time; false for a duplicate, which changes nothing but the counters. */
function storeCall(ask: Ask, call: Call): boolean {
  const { account } = ask;
  const known = account.calls.get(call.externalId);
  if (known) {
    known.copies++;
    account.totals.duplicates++;
    if (fingerprint(known) !== fingerprint(call)) {
      known.conflicts++;
      account.totals.conflicts++;
    }
    return false;
  }
  account.calls.set(call.externalId, call);
  pushCapped(account.recentCalls, call, RECENT_CALLS);
  if (call.type === 'in' && (call.result === 'no answer' || call.result === 'unknown')) {
    account.totals.missed++;
    ask.callbacks.missedCall(account, call, customerByPhone(account, call.phone));
  }
  return true;
}

function fingerprint(call: Call): string {
  return JSON.stringify({ ...call, userId: 0, storedAt: 0, copies: 0, conflicts: 0 });
}

function isListOf(value: unknown, fits: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(fits);
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
